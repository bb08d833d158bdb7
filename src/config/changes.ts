/** The differences between two configurations, and which of them can be applied without a restart. */
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { isMapping } from '../mapping.ts';
import { type Configuration, configurationSchema } from './schema/schema.ts';

/** The paths of changed values, such as `sds.limits.connections`. A list is one value. */
export interface ConfigurationChanges {
  /** Changes that are applied while the sidecar runs. */
  readonly live: readonly string[];
  /** Changes that are applied at the next start. */
  readonly needRestart: readonly string[];
}

const LIVE = [
  'workload_api',
  'names',
  'secrets',
  'validation',
  'on_permission_denied',
  'sds.allow',
  'sds.limits',
  'sds.bundle_ack_timeout',
  'log.level',
];

/** Whether a change of the value at this path is applied while the sidecar runs. */
export function isLive(path: string): boolean {
  return LIVE.some((live) => path === live || path.startsWith(`${live}.`));
}

/** All values that differ. Defaults count like written values. */
export function changesBetween(before: Configuration, after: Configuration): ConfigurationChanges {
  const paths = changedPaths(z.encode(configurationSchema, before), z.encode(configurationSchema, after), []);
  return { live: paths.filter(isLive), needRestart: paths.filter((path) => !isLive(path)) };
}

function changedPaths(before: unknown, after: unknown, path: readonly string[]): readonly string[] {
  if (isMapping(before) && isMapping(after)) {
    const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
    return [...keys].flatMap((key) => changedPaths(before[key], after[key], [...path, key]));
  }
  return isDeepStrictEqual(before, after) ? [] : [path.join('.')];
}
