import { describe } from 'vitest';
import { missingForContainers, missingForSchemas } from './install.ts';

/** `describe` where containers can be run; elsewhere it skips and says why, and fails on CI. */
export function describeWithContainers(): typeof describe | typeof describe.skip {
  return unless(missingForContainers());
}

/** `describe` where the schemas of Kubernetes are; elsewhere it skips and says why, and fails on CI. */
export function describeWithSchemas(): typeof describe | typeof describe.skip {
  return unless(missingForSchemas());
}

function unless(missing: string | undefined): typeof describe | typeof describe.skip {
  if (missing === undefined) return describe;
  if (process.env['CI'] === 'true') throw new Error(missing);
  console.warn(`SKIPPED: ${missing}`);
  return describe.skip;
}
