/** A digest of the configuration, so that operators can see which sidecars run with the same one. */
import { createHash } from 'node:crypto';
import { isMapping } from '../mapping.ts';
import { shownConfiguration } from './format.ts';
import type { Configuration } from './schema/schema.ts';

/** `sha256:` and the hash of the effective configuration. The order of keys and the values of OTLP headers do not change it. */
export function configurationDigest(configuration: Configuration): string {
  const sorted = (_: string, value: unknown) =>
    isMapping(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value;
  return `sha256:${createHash('sha256')
    .update(JSON.stringify(shownConfiguration(configuration), sorted))
    .digest('hex')}`;
}
