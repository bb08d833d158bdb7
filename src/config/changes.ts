/** What differs between two configurations, and whether it can be applied while running. */
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { isMapping } from '../mapping.ts';
import { type Configuration, configurationSchema } from './schema/schema.ts';

/** Paths of values: `sds.limits.connections`; a list is one value. */
export interface ConfigurationChanges {
  readonly live: readonly string[];
  readonly needRestart: readonly string[];
}

const LIVE = ['names', 'secrets', 'validation', 'on_permission_denied', 'sds.limits', 'sds.bundle_ack_timeout', 'log.level'];

/** Whether a change of the value at a path is applied while running; any other needs a restart. */
export function isLive(path: string): boolean {
  return LIVE.some((live) => path === live || path.startsWith(`${live}.`));
}

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
