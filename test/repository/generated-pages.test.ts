import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PAGES } from '../../docs/generate/pages.ts';

test.each(Object.entries(PAGES))('docs/%s says what the code says', async (name, page) => {
  const written = await readFile(join(import.meta.dirname, '..', '..', 'docs', name), 'utf8');
  expect(written === page(written), `docs/${name} is stale: run "npm run docs" and commit what it changes`).toBe(true);
});
