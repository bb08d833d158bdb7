/** The licenses of the libraries in the bundle, in one text. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * @param root the folder that the inputs are relative to
 * @param inputs the files that a bundle was made of
 * @returns each text once, after the names and versions of the packages that have it
 * @throws when a package says nothing of its license
 */
export async function licensesOf(root: string, inputs: readonly string[]): Promise<string> {
  const folders = new Set(inputs.flatMap((input) => packageFolder(input) ?? []));
  const packages = await Promise.all([...folders].sort().map((folder) => licenseOf(join(root, folder))));
  const sections = Map.groupBy(packages, ({ text }) => text);
  return [...sections]
    .map(([text, having]) => `${having.map(({ title }) => title).join('\n')}\n\n${text}`)
    .join(`\n${'-'.repeat(80)}\n\n`);
}

/** `node_modules/a/node_modules/@b/c` of `node_modules/a/node_modules/@b/c/index.js`; undefined for a file of our own. */
function packageFolder(input: string): string | undefined {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0];
}

async function licenseOf(folder: string): Promise<{ readonly title: string; readonly text: string }> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const entries = await readdir(folder, { withFileTypes: true });
  const named = entries.filter((entry) => entry.isFile() && /^(licen[cs]e|notice)/i.test(entry.name));
  const files = named.map((entry) => entry.name).sort();
  if (files.length === 0 && typeof license !== 'string') throw new Error(`${name} has no license: do not ship it`);
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  return { title: `${name} ${version}: ${license}`, text: texts.map((text) => `${text.trim()}\n`).join('\n') };
}
