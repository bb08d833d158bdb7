/** The Debian package, as dpkg sees it, and run from where it would be installed. */
import { execFile } from 'node:child_process';
import { mkdtempDisposable, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { buildDebianPackage } from '../../deploy/debian/build.ts';
import { isExecutable, onPath } from '../../deploy/executable.ts';
import { describeWith } from '../support/describe-with.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const run = promisify(execFile);

describeWith(onPath('dpkg-deb').find(isExecutable), 'a Debian package needs dpkg-deb')('the package', () => {
  let file: string;
  beforeAll(async () => {
    const folder = await mkdtempDisposable(join(tmpdir(), 'deb-test-'));
    await run('npm', ['run', '--silent', 'build'], { cwd: ROOT, timeout: 200_000 });
    file = await buildDebianPackage(folder.path);
    return () => folder[Symbol.asyncDispose]();
  }, 240_000);

  it('has the version of this repository', async () => {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    expect((await run('dpkg-deb', ['--field', file, 'Package', 'Version'])).stdout).toBe(
      `Package: spiffe-sds\nVersion: ${version}\n`,
    );
  });

  it('belongs to root, and nobody else may write in it', async () => {
    const lines = (await run('dpkg-deb', ['--contents', file])).stdout.trim().split('\n');
    for (const line of lines) expect(line).toMatch(/^[-dl]([r-][w-][x-])([r-]-[x-]){2} root\/root /);
    for (const path of [
      './usr/bin/spiffe-sds',
      './lib/systemd/system/spiffe-sds.service',
      './usr/share/man/man8/spiffe-sds.8.gz',
      './usr/share/bash-completion/completions/spiffe-sds',
    ])
      expect(
        lines.some((line) => line.endsWith(` ${path}`)),
        path,
      ).toBe(true);
  });

  it('runs from what it holds: it needs no Node of the machine', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'deb-root-'));
    await run('dpkg-deb', ['--extract', file, folder.path]);
    const [node, main] = ['node', 'main.js'].map((name) => join(folder.path, 'usr/lib/spiffe-sds', name)) as [string, string];
    expect((await run(node, [main, 'version'], { env: { PATH: '/nonexistent' } })).stdout).toMatch(/^spiffe-sds \d/);
    const command = await readFile(join(folder.path, 'usr/bin/spiffe-sds'), 'utf8');
    expect(command).toContain('exec /usr/lib/spiffe-sds/node ');
  });
});
