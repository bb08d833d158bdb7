import { describe } from 'vitest';

/** `describe` where a tool is there; where it is not, `missing` is said and the tests are skipped, and on CI they fail. */
export function describeWith(tool: string | undefined, missing: string): typeof describe | typeof describe.skip {
  if (tool !== undefined) return describe;
  if (process.env['CI'] === 'true') throw new Error(missing);
  console.warn(`SKIPPED: ${missing}`);
  return describe.skip;
}
