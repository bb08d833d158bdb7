import { mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { licensesOf } from '../../deploy/licenses.ts';

/** A folder with packages: their folder, what their package.json says of the license, and a text. */
async function withPackages(...packages: readonly (readonly [folder: string, license?: string, text?: string])[]) {
  const root = await mkdtempDisposable(join(tmpdir(), 'licenses-'));
  for (const [folder, license, text] of packages) {
    await mkdir(join(root.path, folder), { recursive: true });
    const name = folder.split('node_modules/').at(-1);
    await writeFile(join(root.path, folder, 'package.json'), JSON.stringify({ name, version: '1.0.0', license }));
    if (text !== undefined) await writeFile(join(root.path, folder, 'LICENSE.md'), text);
  }
  return root;
}

test('packages with one text share it; packages within packages and scoped ones count', async () => {
  await using root = await withPackages(
    ['node_modules/a', 'MIT', 'free\n'],
    ['node_modules/a/node_modules/@b/c', 'MIT', 'free'],
    ['node_modules/d', 'ISC'],
  );
  const inputs = [
    'src/main.ts',
    'node_modules/a/index.js',
    'node_modules/a/lib/x.js',
    'node_modules/a/node_modules/@b/c/i.js',
    'node_modules/d/i.js',
  ];
  const [first, second, ...more] = (await licensesOf(root.path, inputs)).split(`\n${'-'.repeat(80)}\n\n`);
  expect([first, second, more]).toEqual(['a 1.0.0: MIT\n@b/c 1.0.0: MIT\n\nfree\n', 'd 1.0.0: ISC\n\n', []]);
});

test('a package that says nothing of its license is not shipped', async () => {
  await using root = await withPackages(['node_modules/a']);
  await expect(licensesOf(root.path, ['node_modules/a/index.js'])).rejects.toThrow('a has no license: do not ship it');
});
