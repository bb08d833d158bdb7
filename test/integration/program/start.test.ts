/** What main.ts looks after before anything else is loaded. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, mkdtempDisposable, readFile, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transform } from 'esbuild';
import { describe, expect, test } from 'vitest';
import { onPath } from '../../../deploy/executable.ts';
import { Child } from '../../support/sidecar/child.ts';

const MAIN = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'main.ts');
const ENV = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_|NODE_)/.test(name)));

const oldNode = onPath('node').find((path) => /^v(18|20)\./.test(versionOf(path)));

function versionOf(node: string): string {
  try {
    return execFileSync(node, ['--version'], { encoding: 'utf8' });
  } catch {
    return '';
  }
}

describe('SIGUSR1', () => {
  test('opens no inspector, whatever flags Node was started with', async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'));
    const config = join(folder.path, 'config.yaml');
    await writeFile(config, 'admin: { listen: "" }\n');
    const listen = `unix://${join(folder.path, 'sds.sock')}`;
    const options = ['--config', config, '--listen', listen, '--workload-api', 'unix:///nonexistent/agent.sock'];
    await using child = new Child(process.execPath, ['--inspect-port=0', MAIN, 'serve', ...options], ENV);
    await child.written(/"event":"listening"/);
    process.kill(child.pid, 'SIGUSR1');
    expect(await child.stop()).toBe(0);
    expect(child.log).not.toContain('Debugger listening');
  });

  test('that came too early ends the process with the command to use', () => {
    const early = 'data:text/javascript,import inspector from "node:inspector"; inspector.open(0)';
    const { status, stderr } = spawnSync(process.execPath, ['--import', early, MAIN, 'version'], { env: ENV, encoding: 'utf8' });
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining('node --disable-sigusr1') });
  });

  test('is not what an inspector came from that somebody asked for', () => {
    const { status } = spawnSync(process.execPath, ['--inspect=0', MAIN, 'version'], { env: ENV });
    expect(status).toBe(0);
  });
});

describe('SIGHUP while it starts', () => {
  /** As soon as it takes the signals that end it, and before anything else happens. */
  const early = `data:text/javascript,
    process.execArgv.length = 0; // serve refuses to start with what brought this here
    process.on('newListener', (name) => {
      if (name === 'SIGTERM') setImmediate(() => process.kill(process.pid, 'SIGHUP'));
    });`;

  test.each(['serve', 'dev'])('does not end %s', async (command) => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'));
    const address = (name: string) => `unix://${join(folder.path, name)}`;
    const options = [
      '--log-format',
      'json',
      '--admin',
      '',
      '--listen',
      address('sds.sock'),
      '--workload-api',
      address('workload.sock'),
    ];
    await using child = new Child(process.execPath, ['--import', early, MAIN, command, ...options], ENV);
    await child.written(/"event":"listening"/);
    expect(await child.stop()).toBe(0);
  });
});

test.runIf(oldNode !== undefined)('a Node that is too old says so in our words', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'));
  // As the build leaves it: what it imports is loaded later.
  const { code } = await transform(await readFile(MAIN, 'utf8'), { loader: 'ts', format: 'esm', target: 'node22' });
  const main = join(folder.path, 'main.js');
  await writeFile(main, code);
  await writeFile(join(folder.path, 'package.json'), '{ "type": "module" }');
  await chmod(main, 0o755);
  await symlink(oldNode as string, join(folder.path, 'node'));
  const env = { ...ENV, PATH: `${folder.path}:/usr/bin:/bin` };
  const { status, stderr } = spawnSync(main, ['version'], { env, encoding: 'utf8' });
  expect({ status, stderr }).toEqual({
    status: 2,
    stderr: expect.stringMatching(/^spiffe-sds needs Node 22\.15 or newer, this is v\d+/),
  });
});
