/** What npm is told of this checkout. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const text = (file: string) => readFile(join(ROOT, file), 'utf8');
const json = async (file: string) => JSON.parse(await text(file));

test('npm may run on an older Node: the checkout brings the one it needs, and the release says itself what it wants', async () => {
  const { engines, devDependencies } = await json('package.json');
  const { packages } = await json('package-lock.json');
  expect([engines, packages[''].engines]).toEqual([undefined, undefined]);
  expect(Number.parseInt(devDependencies.node, 10)).toBeGreaterThanOrEqual(24);
});

test('who installs the package gets no library that is in its bundle: those are dependencies of the build', async () => {
  const { dependencies, os, cpu } = await json('package.json');
  expect(Object.keys(dependencies)).toEqual(['koffi']);
  // Each machine that it may be installed on is one that koffi has machine code for.
  const { packages } = await json('package-lock.json');
  for (const system of os)
    for (const arch of cpu) expect(packages).toHaveProperty([`node_modules/@koromix/koffi-${system}-${arch}`]);
});

test('the lockfile names no registry: npm asks the one that it is set to', async () => {
  const { packages } = await json('package-lock.json');
  const named = Object.entries<{ readonly resolved?: string }>(packages).filter(([, { resolved }]) => resolved !== undefined);
  expect(named).toEqual([]);
});

test('there is one version of Node, for the scripts, the image, CI and whoever uses nvm', async () => {
  const { devDependencies } = await json('package.json');
  expect((await text('.nvmrc')).trim()).toBe(devDependencies.node);
  for (const file of ['Dockerfile', '.github/workflows/ci.yml']) {
    const named = [...(await text(file)).matchAll(/library\/node:([\d.]+)-/g)].map(([, version]) => version);
    expect(new Set(named), file).toEqual(new Set([devDependencies.node]));
  }
});

test('CI runs no action that somebody can exchange: each is named by its commit, with its version beside it', async () => {
  const uses = [...(await text('.github/workflows/ci.yml')).matchAll(/uses: (.*)$/gm)].map(([, action]) => action);
  expect(uses).not.toEqual([]);
  for (const action of uses) expect(action).toMatch(/@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
});
