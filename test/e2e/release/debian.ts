/** The Debian packages, as dpkg sees them; that of this architecture is installed as deploy/debian/README.md says, in a Debian of its own. */
import { execFile } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { fencesOf, ROOT } from '../../support/documents/document.ts';
import type { DebianSystem } from '../../support/release/debian-system.ts';
import { Child } from '../../support/sidecar/child.ts';

const run = promisify(execFile);
const ARCHITECTURE = { x64: 'amd64', arm64: 'arm64' }[process.arch as 'x64' | 'arm64'];

/**
 * @param release the folder, once it is there
 * @param system a Debian, once it is there
 */
export function debianChecks(release: () => string, system: () => DebianSystem, version: string): void {
  const name = (architecture: string) => `spiffe-sds_${version}_${architecture}.deb`;

  describe.each(['amd64', 'arm64'])('the Debian package for %s', (architecture) => {
    const file = () => join(release(), name(architecture));

    it('has the version of this repository', async () => {
      expect((await run('dpkg-deb', ['--field', file(), 'Package', 'Version', 'Architecture'])).stdout).toBe(
        `Package: spiffe-sds\nVersion: ${version}\nArchitecture: ${architecture}\n`,
      );
    });

    it('belongs to root, and nobody else may write in it', async () => {
      const lines = (await run('dpkg-deb', ['--contents', file()])).stdout.trim().split('\n');
      for (const line of lines) expect(line).toMatch(/^[-dl]([r-][w-][x-])([r-]-[x-]){2} root\/root /);
      for (const path of [
        './usr/bin/spiffe-sds',
        './lib/systemd/system/spiffe-sds.service',
        './usr/share/man/man8/spiffe-sds.8.gz',
        './usr/share/bash-completion/completions/spiffe-sds',
        './usr/share/doc/spiffe-sds/node-license.txt',
      ])
        expect(
          lines.some((line) => line.endsWith(` ${path}`)),
          path,
        ).toBe(true);
    });
  });

  describe('on a Debian', () => {
    const commands = fencesOf('deploy/debian/README.md').find(({ text }) => text.startsWith('apt install'))?.text ?? '';
    // What a person does in an editor, and what only a running systemd can do, are not for a script.
    const typed = commands
      .split('\n')
      .filter((line) => !/^(editor|systemctl) /.test(line))
      .join('\n')
      .replace(/_amd64\.deb/, `_${ARCHITECTURE}.deb`);

    it('the commands of deploy/debian/README.md install it', async () => {
      await system().take(join(release(), name(ARCHITECTURE)), name(ARCHITECTURE));
      await system().sh(`useradd --system envoy\n${typed.replace(/^apt /gm, 'apt --quiet --yes ')}`);
      expect(await system().sh('spiffe-sds --version')).toMatch(`spiffe-sds ${version} (Node v`);
      expect(await system().sh('id --name --groups envoy')).toMatch(/\bspiffe-sds\b/);
      expect(await system().sh('dpkg --verify spiffe-sds')).toBe('');
    });

    it("it serves as the unit's user what a Workload API sends, to those in its group", async () => {
      const agent = join(system().root, 'run/spire/agent');
      await mkdir(agent, { recursive: true });
      await mkdir(join(system().root, 'run/spiffe-sds'), { mode: 0o750 });
      await system().sh('chown spiffe-sds:spiffe-sds /run/spiffe-sds');
      const cli = join(ROOT, 'src', 'cli', 'main.ts');
      const dev = ['dev', '--workload-api', `unix://${agent}/api.sock`, '--listen', `unix://${agent}/sds.sock`, '--admin', ''];
      await using workloadApi = new Child(process.execPath, [cli, ...dev]);
      await workloadApi.written(/Ctrl-C stops it/);
      await system().sh('chmod 666 /run/spire/agent/api.sock');
      const unit = await readFile(join(system().root, 'lib/systemd/system/spiffe-sds.service'), 'utf8');
      const command = /^ExecStart=(.*)$/m.exec(unit)?.[1]?.split(' ') ?? [];
      await using sidecar = system().start('spiffe-sds:spiffe-sds', command);
      await sidecar.written(/"event":"svid_received"/);
      await using get = system().start('envoy:envoy', ['/usr/bin/spiffe-sds', 'get', 'default']);
      expect(await get.ended()).toBe(0);
      expect(get.log).toContain('leaf: spiffe://example.org/');
      expect(await sidecar.stop()).toBe(0);
    });

    it('keeps a configuration that somebody changed, and leaves nothing when it is purged', async () => {
      await system().sh('echo "# ours" >> /etc/spiffe-sds/spiffe-sds.yaml');
      await system().sh(`dpkg --install ${name(ARCHITECTURE)}`);
      expect(await system().sh('tail --lines 1 /etc/spiffe-sds/spiffe-sds.yaml')).toBe('# ours\n');
      await system().sh('dpkg --purge spiffe-sds');
      expect(
        await system().sh('find / -xdev -path "*spiffe-sds*" -not -path "/root/*" -not -path "/run/*" -not -path "/var/log/*"'),
      ).toBe('');
    });
  });
}
