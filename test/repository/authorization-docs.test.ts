/** docs/authorization.md shows what is shipped, and so what the tests run. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..', '..');
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');
const lines = (text: string) => text.split('\n').map((line) => line.trim());

const snippets = [...read('docs/authorization.md').matchAll(/```yaml\n# (\S+)\n([\s\S]*?)```/g)].map(
  ([, file = '', content = '']) => ({ file, content }),
);

test('there are snippets', () => {
  expect(snippets.length).toBeGreaterThanOrEqual(6);
});

test.each(snippets)('a snippet of $file stands there: $content', ({ file, content }) => {
  expect(lines(read(file)).join('\n')).toContain(lines(content.trimEnd()).join('\n'));
});
