/** What docs/names.md promises to name. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { knownKeys } from '../../src/config/schema/schema.ts';

const page = await readFile(join(import.meta.dirname, '..', '..', 'docs', 'names.md'), 'utf8');

test.each([
  [['secrets', 0, 'svid'], 'svid.'],
  [['secrets', 0, 'validation'], 'validation.'],
  [['secrets', 0, 'jwt_svid'], 'jwt_svid.'],
  [['secrets', 0, 'validation', 'match', 0], ''],
])('every key of %j stands in docs/names.md', (path, prefix) => {
  const keys = knownKeys(path);
  expect(keys).not.toEqual([]);
  for (const key of keys) expect(page).toContain(`\`${prefix}${key}\``);
});
