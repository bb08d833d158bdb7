/** What npm is told of this checkout. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const json = async (file: string) => JSON.parse(await readFile(join(ROOT, file), 'utf8'));

test('npm may run on an older Node: the checkout brings the one it needs, and the release says itself what it wants', async () => {
  const { engines, devDependencies } = await json('package.json');
  const { packages } = await json('package-lock.json');
  expect([engines, packages[''].engines]).toEqual([undefined, undefined]);
  expect(Number.parseInt(devDependencies.node, 10)).toBeGreaterThanOrEqual(24);
});
