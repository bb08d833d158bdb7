/** What `bootstrap` prints, as a real Envoy takes it. */
import { execFile } from 'node:child_process';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { findEnvoy } from '../../../envoy/install.ts';
import { describeWithEnvoy, Envoy, envoyVersions } from '../../support/mesh/envoy.ts';
import { startRunning } from '../../support/sidecar/sidecar.ts';

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'main.ts');
const BACKEND = 'spiffe://example.org/backend';
const PEER = ['--peer', BACKEND];
const RBAC = ['--allow', 'spiffe://example.org/frontend'];

describe.each(envoyVersions())('with Envoy %s', (version) => {
  describeWithEnvoy(version)('bootstrap prints what it takes', () => {
    it.each([
      ['server', []],
      ['server, delta', ['--delta']],
      ['server, ADS', ['--ads']],
      ['server, delta ADS', ['--delta', '--ads']],
      ['client', ['--role', 'client', ...PEER]],
      ['both, delta ADS', ['--role', 'both', ...PEER, '--delta', '--ads']],
      ['federation', ['--federate', 'partner.test']],
      ['RBAC', RBAC],
      ['tokens', ['--jwt-audience', 'payments']],
      ['all at once', ['--role', 'both', ...PEER, ...RBAC, '--jwt-audience', 'payments', '--federate', 'partner.test']],
    ])('%s', async (_, args) => {
      await using folder = await mkdtempDisposable(join(tmpdir(), 'bootstrap-'));
      const file = join(folder.path, 'envoy.yaml');
      await writeFile(file, await printed(args));
      const { stdout, stderr } = await run(findEnvoy(version) ?? '', ['--mode', 'validate', '--disable-hot-restart', '-c', file]);
      expect(`${stdout}${stderr}`).toContain('OK');
    });

    it.each([[[]], [['--delta']], [['--ads']], [['--delta', '--ads']]])('and which gets its secrets: %j', async (args) => {
      await using running = await startRunning({ identities: [{ path: '/backend' }] });
      const text = await printed(['--listen', `unix://${running.socket}`, '--server-port', '0', ...args]);
      await using envoy = await Envoy.start(text, version);
      await envoy.live();
      await envoy.presents(running.workloadApi.serials().get(BACKEND));
    });
  });
});

it('bootstrap prints JSON that is the same as its YAML', async () => {
  expect(JSON.parse(await printed(['--output', 'json']))).toEqual(parse(await printed([])));
});

async function printed(args: readonly string[]): Promise<string> {
  return (await run(process.execPath, [MAIN, 'bootstrap', BACKEND, '--admin-port', '0', ...args])).stdout;
}
