import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pages, ROOT, textOf } from '../support/documents/document.ts';

test.each(pages())('every file that %s names is there', (page) => {
  const named = [
    ...textOf(page).matchAll(/(?<=^|[ `])((?:src|test|docs|deploy|envoy|proto)\/[\w./-]*\w\.(?:ts|md|yaml|json))(?![\w/])/gm),
  ].map(([, path = '']) => path);
  expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

test('every decision stands in the list of decisions', () => {
  const listed = new Set([...textOf('docs/decisions/README.md').matchAll(/\]\(([^)]+)\)/g)].map(([, name]) => name));
  expect(listed).toEqual(new Set(readdirSync(join(ROOT, 'docs', 'decisions')).filter((name) => name !== 'README.md')));
});
