/** `npm run docs`: writes what is made from the code. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PAGES } from './pages.ts';

for (const [name, page] of Object.entries(PAGES)) {
  const path = join(import.meta.dirname, '..', name);
  writeFileSync(path, page(existsSync(path) ? readFileSync(path, 'utf8') : ''));
}
