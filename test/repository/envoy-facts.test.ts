import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const page = await readFile(join(ROOT, 'docs', 'envoy-facts.md'), 'utf8');
const facts = [...page.matchAll(/^### Fact (\d+[a-z]?): /gm)].map(([, number = '']) => number);

/** `fact: 12` of a row of test/conformance, `(fact 12)` and `facts 12` in words. */
async function cited(): Promise<ReadonlyMap<string, string>> {
  const files = (await Promise.all(['src', 'test', 'docs', 'deploy', 'envoy'].map(textFiles))).flat();
  const found = await Promise.all(
    files.map(async (path) => {
      const text = await readFile(path, 'utf8');
      return [...text.matchAll(/\bfacts?:? (\d+[a-z]?)\b/g)].map(([, number = '']) => [number, path] as const);
    }),
  );
  return new Map(found.flat());
}

async function textFiles(folder: string): Promise<readonly string[]> {
  const entries = await readdir(join(ROOT, folder), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /\.(ts|md|yaml)$/.test(entry.name))
    .map(({ parentPath, name }) => join(parentPath, name));
}

test('every fact that is cited stands in docs/envoy-facts.md', async () => {
  const citations = await cited();
  expect(citations.size).toBeGreaterThan(25);
  expect([...citations].filter(([number]) => !facts.includes(number))).toEqual([]);
});

test('no fact stands there twice, and each says whether it was seen or read', () => {
  expect(new Set(facts).size).toBe(facts.length);
  expect([...page.matchAll(/^### Fact .*\n\n\*(Seen|Read)\b/gm)]).toHaveLength(facts.length);
});
