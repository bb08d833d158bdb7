/** `spiffe-sds status` as people and health checks run it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempDisposable, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { type Serving, serving } from '../../support/sidecar/admin.ts';
import { Child } from '../../support/sidecar/child.ts';
import { Terminal } from '../../support/sidecar/terminal.ts';

const MAIN = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'main.ts');
const ENV = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_)/.test(name)));
const WEB = 'spiffe://example.org/web';

interface Outcome {
  readonly code: unknown;
  readonly log: string;
}

async function run(...args: readonly string[]): Promise<Outcome> {
  await using child = new Child(process.execPath, [MAIN, 'status', ...args], ENV);
  const code = await child.ended();
  return { code, log: child.log };
}

function status({ to, running }: Serving, ...args: readonly string[]): Promise<Outcome> {
  const admin = 'socketPath' in to ? `unix://${to.socketPath}` : '';
  return run('--admin', admin, '--listen', `unix://${running.socket}`, ...args);
}

describe('status', () => {
  test('shows identities, bundles, names, subscribers and what is held', async () => {
    await using admin = await serving();
    await admin.running.event('svid_received');
    const stream = admin.running.client.stream().request(['default', 'nobody'], { node: { id: 'edge' } });
    const { nonce } = await stream.next();
    stream.request(['default', 'nobody'], { response_nonce: nonce, error_detail: { code: 13, message: 'no key' } });
    await admin.running.event('secrets_rejected');
    const { code, log } = await status(admin);
    expect(code).toBe(0);
    expect(log).toMatch(/^spiffe-sds \d+\.\d+\.\d+ on unix:\/\/\S+sds\.sock, ready, up \d+s, 1 name held: nobody\n/);
    // No colour where nobody looks.
    expect(log).not.toContain('\u001b');
    expect(log).toMatch(/^ {2}Workload API {3}unix:\/\/\/\S+, connected \d+s ago, last message \d+s ago$/m);
    expect(log).toMatch(/^ {2}spiffe:\/\/example\.org\/web {2}- +59m\d+s +\d+s ago {4}default$/m);
    expect(log).toMatch(/^ {2}example\.org +1 +\d+h\d+m/m);
    expect(log).toMatch(/^Subscribers: 1\n.*\n {2}1 +edge +sotw +connection 1 .*\d+s ago$/m);
    expect(log).toMatch(/^ {4}default: rejected [0-9a-f]+, has none\n {4}nobody: held\n {4}rejected default: no key$/m);
    expect(log).toMatch(/^Held: nothing to send for\n.*\n {2}nobody +1 +-$/m);
    stream.cancel();
  });

  test('goes on when it is to watch, also while nobody answers, until it is told to stop', async () => {
    await using admin = await serving();
    await admin.running.event('svid_received');
    const socket = 'socketPath' in admin.to ? admin.to.socketPath : '';
    await using child = new Child(process.execPath, [MAIN, 'status', '--admin', `unix://${socket}`, '--watch'], ENV);
    await child.written(/^spiffe-sds [\s\S]*^spiffe-sds /m);
    await admin.api.close();
    await child.written(/asking the admin API at/);
    expect(await child.stop()).toBe(0);
  });

  test.each([
    ['has colours on a terminal', {}, true],
    ['has none there with NO_COLOR', { NO_COLOR: '1' }, false],
  ])('%s', async (_, more, coloured) => {
    await using admin = await serving();
    await admin.running.event('svid_received');
    await using terminal = await Terminal.open();
    await terminal.do('show');
    // With CI Node has no colours anywhere.
    const { NO_COLOR, FORCE_COLOR, CI, ...env } = ENV;
    const { socketPath } = admin.to as { socketPath: string };
    const child = spawn(process.execPath, [MAIN, 'status', '--admin', `unix://${socketPath}`], {
      env: { ...env, TERM: 'xterm-256color', ...more },
      stdio: ['ignore', terminal.fd, 'inherit'],
    });
    const [line] = await Promise.all([terminal.shown(/^spiffe-sds .*ready/), once(child, 'exit')]);
    expect(line.includes('\u001b[')).toBe(coloured);
  });

  test.each([
    ['json', JSON.parse],
    ['yaml', parse],
  ])('prints all there is as %s', async (format, read) => {
    await using admin = await serving();
    await admin.running.event('svid_received');
    await admin.running.event('bundles_received');
    const { code, log } = await status(admin, '--output', format);
    const { uptime: _, identities, ...printed } = (read as (text: string) => Record<string, unknown>)(log);
    const { uptime, identities: known, ...all } = await admin.status();
    expect([code, printed]).toEqual([0, all]);
    expect(identities).toMatchObject([{ id: WEB, serial: known[0]?.serial }]);
  });

  test.for(['text', 'json', 'yaml'])('as %s lets no name command the terminal', async (format) => {
    await using admin = await serving();
    await admin.running.event('svid_received');
    admin.running.client.stream().request(['x\n\u001b[2J\u202eall is well']);
    await admin.running.event('names_held');
    const { log } = await status(admin, '--output', format);
    expect(log).toContain('all is well');
    expect(log).not.toMatch(/[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]|^all is well/mu);
  });

  test('finds the sidecar by its configuration file', async () => {
    await using admin = await serving();
    await admin.running.event('svid_received');
    await using folder = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'));
    const file = join(folder.path, 'config.yaml');
    const { socketPath } = admin.to as { socketPath: string };
    await writeFile(file, `{ admin: { listen: "unix://${socketPath}" }, sds: { listen: "unix://${admin.running.socket}" } }`);
    expect(await run('--config', file)).toMatchObject({ code: 0, log: expect.stringContaining(WEB) });
    expect(await run('--config', file, '--ready')).toMatchObject({ code: 0 });
  });

  test('says which setting turned the admin API off', async () => {
    const { code, log } = await run('--admin', '');
    expect({ code, log }).toEqual({ code: 1, log: expect.stringMatching(/admin\.listen is empty/) });
  });

  test('says what to look at when nobody answers', async () => {
    const { code, log } = await run('--admin', 'unix:///nonexistent/admin.sock');
    expect({ code, log }).toEqual({ code: 1, log: expect.stringMatching(/ENOENT.*does spiffe-sds run.*admin\.listen; --admin/) });
  });

  test('says when somebody else answers', async () => {
    await using admin = await serving();
    const { code, log } = await run('--admin', `unix://${admin.running.socket}`);
    expect({ code, log }).toEqual({ code: 1, log: expect.stringMatching(/the admin API/) });
  });
});

describe('status of a sidecar whose admin API is not the one that answers', () => {
  test('is refused, naming both sockets', async () => {
    await using a = await serving();
    await using b = await serving();
    await b.running.event('svid_received');
    const { socketPath } = b.to as { socketPath: string };
    const { code, log } = await run('--admin', `unix://${socketPath}`, '--listen', `unix://${a.running.socket}`);
    expect(code).toBe(1);
    expect(log).toBe(
      `spiffe-sds: unix://${socketPath} is the admin API of another spiffe-sds, which serves unix://${b.running.socket}: ` +
        `name the one of unix://${a.running.socket} (--admin, SPIFFE_SDS_ADMIN, admin.listen), or give it one of its own\n`,
    );
  });

  test('is not refused when its socket is reached by another path', async () => {
    await using admin = await serving();
    await admin.running.event('svid_received');
    await using folder = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'));
    await symlink(dirname(admin.running.socket), join(folder.path, 'run'));
    const { socketPath } = admin.to as { socketPath: string };
    const listen = `unix://${join(folder.path, 'run', 'sds.sock')}`;
    expect(await run('--admin', `unix://${socketPath}`, '--listen', listen)).toMatchObject({ code: 0 });
  });

  test("tells no reasons of the other's when it is not ready", async () => {
    await using a = await serving({ workload: { identities: [] } });
    await using b = await serving({ workload: { identities: [] } });
    await b.running.event('workload_api_lost');
    const { socketPath } = b.to as { socketPath: string };
    const { code, log } = await run('--ready', '--admin', `unix://${socketPath}`, '--listen', `unix://${a.running.socket}`);
    expect({ code, log }).toEqual({ code: 1, log: expect.stringMatching(/^not ready: unix:\/\/.*look at the log\n$/) });
  });
});

describe('status --ready', () => {
  test('is one line, and 0 when the sidecar is ready', async () => {
    await using admin = await serving();
    await admin.running.event('svid_received');
    expect(await status(admin, '--ready')).toEqual({ code: 0, log: `ready: unix://${admin.running.socket} serves secrets\n` });
  });

  test('does without the admin API', async () => {
    await using admin = await serving();
    await admin.running.event('svid_received');
    await admin.api?.close();
    expect(await status(admin, '--ready')).toMatchObject({ code: 0 });
  });

  test('is 1 with the reasons, from the admin API', async () => {
    await using admin = await serving({ workload: { identities: [] } });
    await admin.running.event('workload_api_lost');
    const { code, log } = await status(admin, '--ready');
    expect({ code, log }).toEqual({
      code: 1,
      log: expect.stringMatching(/^not ready: secrets failed: .*; upstream failed: refused since .*registration entry.*\n$/),
    });
  });

  test('is 1 without reasons when there is no admin API', async () => {
    await using admin = await serving({ workload: { identities: [] } });
    await admin.api?.close();
    const { code, log } = await status(admin, '--ready');
    expect({ code, log }).toEqual({ code: 1, log: expect.stringMatching(/^not ready: unix:\/\/.*look at the log\n$/) });
  });

  test('is 1 when there is no sidecar', async () => {
    const { code, log } = await run('--ready', '--listen', 'unix:///nonexistent/sds.sock');
    expect({ code, log }).toEqual({ code: 1, log: expect.stringMatching(/^not ready: .*ENOENT.*: does spiffe-sds run.*\n$/) });
  });
});
