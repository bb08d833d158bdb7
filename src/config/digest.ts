/** One word for all that is configured: the same on every sidecar that does the same. */
import { createHash } from 'node:crypto';
import { isMapping } from '../mapping.ts';
import { shownConfiguration } from './format.ts';
import type { Configuration } from './schema/schema.ts';

/** `sha256:` and the hash of the effective configuration in whatever order it was written; the values of headers are not in it. */
export function configurationDigest(configuration: Configuration): string {
  const sorted = (_: string, value: unknown) =>
    isMapping(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value;
  return `sha256:${createHash('sha256')
    .update(JSON.stringify(shownConfiguration(configuration), sorted))
    .digest('hex')}`;
}
