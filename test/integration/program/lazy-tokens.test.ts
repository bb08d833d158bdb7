/** What a sidecar without tokens does not pay for. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const SRC = join(import.meta.dirname, '..', '..', '..', 'src');
const PROGRAM = `
import { registerHooks } from 'node:module';
const loaded = [];
registerHooks({ resolve(specifier, context, next) {
  const found = next(specifier, context);
  if (found.url.includes('node_modules/jose/')) loaded.push(found.url);
  return found;
} });
for (const file of ['sidecar/application.ts', 'admin/admin-server.ts', 'admin/jwks-server.ts']) await import('${SRC}/' + file);
console.log(JSON.stringify(loaded));
`;

test('nothing of jose is loaded before there is a token', { timeout: 60_000 }, () => {
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', PROGRAM], { encoding: 'utf8' });
  expect(JSON.parse(output)).toEqual([]);
});
