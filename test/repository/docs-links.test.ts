import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const pages = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.md'))
  .map((name) => join('docs', name));

test.each(pages)('every file that %s links to, or names, is there', (page) => {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link = '']) => join(dirname(page), link));
  const named = [...text.matchAll(/`((?:src|test|docs|deploy|envoy|proto)\/[\w./-]+)`/g)].map(([, path = '']) => path);
  expect([...links, ...named].filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

test('every decision stands in the list of decisions', () => {
  const list = readFileSync(join(ROOT, 'docs', 'decisions', 'README.md'), 'utf8');
  const listed = new Set([...list.matchAll(/\]\(([^)]+)\)/g)].map(([, name]) => name));
  expect(listed).toEqual(new Set(readdirSync(join(ROOT, 'docs', 'decisions')).filter((name) => name !== 'README.md')));
});
