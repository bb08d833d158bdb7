import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..', '..', '..');

test('the benchmark builds the release and has a figure for everything', async () => {
  const { stdout } = await promisify(execFile)('npm', ['run', '--silent', 'bench', '--', '--quick'], { cwd: root });
  const rows = stdout.split('\n').filter((line) => /^\| .* \| \d/.test(line));
  expect(rows).toHaveLength(14);
  expect(stdout).not.toContain('NaN');
});
