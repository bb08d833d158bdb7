/** The command as people run it: a process of its own, its output and its exit code. */
import { spawnSync } from 'node:child_process';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { SdsClient } from '../../support/sds/sds-client.ts';
import { Child } from '../../support/sidecar/child.ts';
import { type Running, startRunning } from '../../support/sidecar/sidecar.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const MAIN = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'main.ts');
const ENV = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_)/.test(name)));

/** Several of them, one after the other. */
const WHOLE_PROCESSES_MS = 60_000;

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], { env: { ...ENV, ...env }, encoding: 'utf8' });
  return { status, stdout, stderr };
}

/** Not spawnSync: what is asked runs in this process. */
async function get(running: Running, ...args: readonly string[]): Promise<{ readonly status: unknown; readonly log: string }> {
  await using child = new Child(process.execPath, [MAIN, 'get', '--listen', `unix://${running.socket}`, ...args], ENV);
  const status = await child.ended();
  return { status, log: child.log };
}

test.each(['version', '--version', '-v'])('%s names the version, Node and the platform', (word) => {
  const { status, stdout } = run([word]);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^spiffe-sds \d+\.\d+\.\d+ \(Node v\d+\.\d+\.\d+, linux\/\w+\)\n$/);
});

test.each(['dev', 'check', 'get', 'status', 'doctor', 'bootstrap'])('the examples of %s --help use its options', (command) => {
  const [options = '', examples = ''] = run([command, '--help']).stdout.split('\nExamples:\n');
  const used = [...examples.matchAll(/--[a-z-]+/g)].map(([option]) => option);
  expect(examples).toContain(`spiffe-sds ${command}`);
  for (const option of used) expect(options).toContain(`  ${option} `);
});

describe('wrong usage exits with 2 and says what is right', () => {
  test.each([
    ['an unknown command', ['srve'], /^error: unknown command 'srve'\n\(Did you mean serve\?\)/],
    ['an argument of serve', ['serve', 'dev'], /serve takes no argument, and there is 'dev'/],
    ['an unknown option', ['serve', '--wokload-api', 'x'], /--workload-api/],
    ['no Workload API', ['serve'], /SPIFFE_ENDPOINT_SOCKET/],
    ['a bad address', ['serve', '--workload-api', '/run/x.sock'], /unix:\/\/\/run\/x\.sock/],
    ['a missing file', ['check', '--config', '/nonexistent.yaml'], /\/nonexistent\.yaml/],
    ['a bad trust domain', ['dev', '--trust-domain', 'BAD DOMAIN'], /--trust-domain: .*"BAD DOMAIN"/],
    ['a bad duration', ['dev', '--svid-ttl', 'soon'], /--svid-ttl: .*"soon".*5s/],
    ['no time to wait', ['get', '--timeout', '0s'], /--timeout: .*"0s"/],
  ])('%s', (_, args, message) => {
    const { status, stderr } = run(args);
    expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringMatching(message) });
  });
});

describe('get', () => {
  test('prints a certificate without its key', async () => {
    await using running = await startRunning({ identities: [{ path: '/web' }] });
    const { status, log } = await get(running, 'spiffe://example.org/web');
    expect(status).toBe(0);
    expect(log).toContain(`serial ${running.workloadApi.serials().get('spiffe://example.org/web')}`);
    expect(log).not.toContain('PRIVATE KEY');
  });

  test.each([
    ['json', JSON.parse],
    ['yaml', parse],
  ])('prints everything as %s', async (format, read) => {
    await using running = await startRunning({ identities: [{ path: '/web' }], federated: ['partner.test'] });
    const { log } = await get(running, '--output', format);
    expect((read as (text: string) => unknown)(log)).toEqual([
      expect.objectContaining({ name: 'spiffe://example.org/web', kind: 'tls_certificate' }),
      expect.objectContaining({ name: 'spiffe://example.org', kind: 'validation_context' }),
      expect.objectContaining({ name: 'spiffe://partner.test', trust_domains: { 'partner.test': [expect.any(Object)] } }),
    ]);
  });

  const jwtNames = 'names: { jwt_audiences: [payments] }';

  test.each(['text', 'json', 'yaml'])('--jwt prints header and claims as %s, and never the token', async (format) => {
    await using running = await startRunning({ identities: [{ path: '/web' }] }, jwtNames);
    const { status, log } = await get(running, '--jwt', 'payments', '--output', format);
    const { resources } = await running.client.fetch(['jwt:payments']);
    const [, , signature = ''] = Buffer.from(resources[0]?.value ?? [])
      .toString()
      .split('.');
    expect([status, signature.length > 40]).toEqual([0, true]);
    for (const word of ['ES256', 'spiffe://example.org/web', 'payments']) expect(log).toContain(word);
    expect(log).not.toContain(signature);
  });

  test('--show-token prints the token, too', async () => {
    await using running = await startRunning({ identities: [{ path: '/web' }] }, jwtNames);
    const { log } = await get(running, '--jwt', 'payments', '--show-token');
    expect(log).toMatch(/token: Bearer [\w-]+\.[\w-]+\.[\w-]+\n/);
  });

  test('--jwt of an audience that is not listed says where to list it', async () => {
    await using running = await startRunning({ identities: [{ path: '/web' }] }, jwtNames);
    const { status, log } = await get(running, '--jwt', 'orders', '--timeout', '200ms');
    expect([status, log]).toEqual([1, expect.stringContaining('list that audience under names.jwt_audiences')]);
  });

  test('says of a name that does not come what there is instead', async () => {
    await using running = await startRunning({ identities: [{ path: '/web' }] });
    const { status, log } = await get(running, 'spiffe://example.org/wbe', '--timeout', '200ms');
    expect(status).toBe(1);
    expect(log).toMatch(/no secret named spiffe:\/\/example\.org\/wbe within 200ms: it has spiffe:\/\/example\.org\/web/);
  });

  test('says when nobody answers', async () => {
    await using running = await startRunning();
    await running.stop();
    const { status, log } = await get(running);
    expect(status).toBe(1);
    expect(log).toMatch(/UNAVAILABLE: connect ENOENT .* as uid \d+, gid \d+: .*: start what serves it/);
  });

  test('watches until it is told to stop, and prints each rotation once, with its time', async () => {
    await using running = await startRunning({ identities: [{ path: '/web' }] });
    await using child = new Child(
      process.execPath,
      [MAIN, 'get', '--watch', 'default', '--listen', `unix://${running.socket}`],
      ENV,
    );
    await child.written(/serial/);
    await running.workloadApi.rotate();
    await child.written(new RegExp(`serial ${running.workloadApi.serials().get('spiffe://example.org/web')}`));
    expect(await child.stop()).toBe(0);
    expect(child.log.match(/serial/g)).toHaveLength(2);
    expect(child.log.match(/, received 20\d\d-\d\d-\d\dT[\d:.]+Z\n/g)).toHaveLength(2);
  });
});

test(
  'dev serves what it says, until SIGTERM, and what it suggests to try works',
  async () => {
    await using folder = await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'));
    const file = join(folder.path, 'config.yaml');
    await writeFile(file, `admin: { listen: "unix://${folder.path}/admin.sock" }\n`);
    const args = [
      'dev',
      '--config',
      file,
      '--listen',
      `unix://${folder.path}/sds.sock`,
      '--workload-api',
      `unix://${folder.path}/workload.sock`,
      '--id',
      '/web=internal',
    ];
    await using child = new Child(process.execPath, [MAIN, ...args], ENV);
    await child.written(/Ctrl-C/);
    expect(child.log).toContain('spiffe://example.org/web');
    await child.written(/"admin_listening"|the admin API is at/);
    const suggested = [...child.log.matchAll(/^ {2}npm run -s spiffe-sds -- (.*?) {4}#/gm)].map(([, words = '']) =>
      words.split(' '),
    );
    expect(suggested.map(([command]) => command)).toEqual(['get', 'get', 'status']);
    for (const words of suggested.filter((words) => !words.includes('--watch')))
      expect(run(words)).toMatchObject({ status: 0, stdout: expect.stringContaining('spiffe://example.org/web') });
    expect(await child.stop()).toBe(0);
  },
  WHOLE_PROCESSES_MS,
);

describe('serve follows its configuration file', () => {
  const config = (alias: string) => `names: { default_svid: ${alias} }\nadmin: { listen: "" }\n`;

  async function serve() {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'))).path;
    const address = `unix://${folder}/workload.sock`;
    stack.use(await TestWorkloadApi.start({ address, rotateEveryMs: 0, identities: [{ path: '/web' }] }));
    const file = join(folder, 'config.yaml');
    await writeFile(file, config('before'));
    const args = ['serve', '--config', file, '--workload-api', address, '--listen', `unix://${folder}/sds.sock`];
    const child = stack.use(new Child(process.execPath, [MAIN, ...args], ENV));
    await child.written(/"svid_received"/);
    const stream = stack.use(new SdsClient(join(folder, 'sds.sock'))).stream();
    const owned = stack.move();
    return { child, file, stream, [Symbol.asyncDispose]: () => owned.disposeAsync() };
  }

  test.each([
    ['when it changes', () => undefined],
    ['at SIGHUP', (pid: number) => process.kill(pid, 'SIGHUP')],
  ])('%s: names are served and withdrawn while it runs', async (_, signal) => {
    await using serving = await serve();
    serving.stream.request(['after']);
    await writeFile(serving.file, config('after'));
    signal(serving.child.pid);
    await serving.child.written(/"configuration_reloaded".*names\.default_svid/);
    expect((await serving.stream.secrets())[0]?.name).toBe('after');
  });

  test('a bad one changes nothing and says what is wrong with it', async () => {
    await using serving = await serve();
    await writeFile(serving.file, 'names: { default_svd: after }\n');
    await serving.child.written(/"configuration_rejected".*config\.yaml:1:\d+.*default_svd.*did you mean/);
    expect(await serving.stream.request(['before']).secrets()).toHaveLength(1);
  });
});
