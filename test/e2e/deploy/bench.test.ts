import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { Report } from '../../bench/report.ts';

const root = join(import.meta.dirname, '..', '..', '..');
/** Every kind of part; each of the others differs from one of these in its numbers alone. */
const PARTS = [
  'default/start',
  'default/memory',
  'default/latency',
  'default/opening',
  'default/delta-100-acked',
  'telemetry/start',
];

test('the benchmark builds the release and has a figure for everything, beside its floor', { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'spiffe-sds-bench-test-'));
  try {
    const file = join(folder, 'report.json');
    const only = PARTS.flatMap((name) => ['--only', name]);
    const { stdout } = await bench('--quick', '--json', file, ...only);
    const report = JSON.parse(await readFile(file, 'utf8')) as Report;
    expect(report.failures).toEqual([]);
    expect(new Set(report.rows.map(({ name }) => name.split(':')[0]))).toEqual(new Set(PARTS));
    expect(stdout).not.toContain('NaN');
    const compared = await bench('--compare', file, file);
    expect(compared.stdout.split('\n').filter((line) => line.includes('+0 %'))).toHaveLength(report.rows.length);
  } finally {
    await rm(folder, { recursive: true });
  }
});

function bench(...args: readonly string[]): Promise<{ readonly stdout: string }> {
  return promisify(execFile)('npm', ['run', '--silent', 'bench', '--', ...args], { cwd: root });
}
