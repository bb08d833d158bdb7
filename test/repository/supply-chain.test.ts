/** What comes from others, and that nothing of it changes or runs unseen. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

interface Locked {
  readonly version: string;
  readonly integrity?: string;
  readonly link?: boolean;
  readonly hasInstallScript?: boolean;
}

const ROOT = join(import.meta.dirname, '..', '..');
const json = async (file: string) => JSON.parse(await readFile(join(ROOT, file), 'utf8'));
const { dependencies, devDependencies, allowScripts } = await json('package.json');
const locked = Object.entries((await json('package-lock.json')).packages as Record<string, Locked>).filter(
  ([path]) => path !== '',
);

test('each dependency is of one exact version, the one in the lockfile', () => {
  const versions = new Map(locked.map(([path, { version }]) => [path, version]));
  for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
    expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
    expect(versions.get(`node_modules/${name}`), name).toBe(version);
  }
});

test('each package in the lockfile has its hash', () => {
  expect(locked.filter(([, { integrity, link }]) => link !== true && !/^sha512-/.test(integrity ?? ''))).toEqual([]);
});

test('each install script is listed, with whether it may run, and no other', () => {
  const scripts = locked
    .filter(([, { hasInstallScript }]) => hasInstallScript === true)
    .map(([path]) => path.replace(/^.*node_modules\//, ''));
  expect(new Set(Object.keys(allowScripts))).toEqual(new Set(scripts));
});
