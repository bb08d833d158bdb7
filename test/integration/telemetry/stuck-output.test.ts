/** The log and the audit go to the same place, and that takes nothing. */
import { execFileSync } from 'node:child_process';
import { closeSync, constants, existsSync, openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { eventually } from '../../support/eventually.ts';
import { SdsClient } from '../../support/sds/sds-client.ts';
import { Child } from '../../support/sidecar/child.ts';
import { Terminal } from '../../support/sidecar/terminal.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const MAIN = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'main.ts');
const LOG = join(import.meta.dirname, '..', '..', '..', 'src', 'telemetry', 'log', 'log.ts');
const WEB = 'spiffe://example.org/web';
/** Some 100 kB of log and audit: more than a terminal or a pipe takes. */
const FETCHES = 150;

interface Sink extends AsyncDisposable {
  readonly fd: number;
}

async function stopped(): Promise<Terminal> {
  const terminal = await Terminal.open();
  await terminal.do('show');
  await terminal.do('stop');
  return terminal;
}

/** It blocks who writes to it, as a pipe does that a shell makes. */
async function fullPipe(): Promise<Sink> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'))).path;
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const reader = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  stack.defer(() => closeSync(reader));
  const fd = openSync(path, constants.O_WRONLY);
  stack.defer(() => closeSync(fd));
  expect(() => {
    for (;;) writeSync(reader, Buffer.alloc(4096));
  }).toThrow('EAGAIN');
  const owned = stack.move();
  return { fd, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function fullDisk(): Promise<Sink> {
  const fd = openSync('/dev/full', 'w');
  return { fd, [Symbol.asyncDispose]: async () => closeSync(fd) };
}

/** Flags of the open file, which all processes share that have it. */
function flags(fd: number): string | undefined {
  return /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
}

interface Scene extends AsyncDisposable {
  readonly workloadApi: TestWorkloadApi;
  readonly client: SdsClient;
  readonly sidecar: Child;
}

/** A sidecar that serves, and says much. */
async function open(fd: number): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'))).path;
  const address = `unix://${join(folder, 'workload.sock')}`;
  const socket = join(folder, 'sds.sock');
  const file = join(folder, 'config.yaml');
  writeFileSync(file, stringify({ admin: { listen: '' }, log: { audit: 'stdout' } }));
  const workloadApi = stack.use(
    await TestWorkloadApi.start({ address, identities: [{ path: '/web' }], svidTtlMs: 3_600_000, rotateEveryMs: 0 }),
  );
  const options = ['--config', file, '--workload-api', address, '--listen', `unix://${socket}`];
  const log = ['--log-level', 'debug', '--log-format', 'json'];
  const args = ['--disable-sigusr1', MAIN, 'serve', ...options, ...log];
  const sidecar = stack.use(new Child(process.execPath, args, process.env, fd));
  await eventually('the socket', async () => existsSync(socket) || undefined);
  const client = stack.use(new SdsClient(socket));
  const owned = stack.move();
  return { workloadApi, client, sidecar, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

describe.each([
  ['a terminal that is stopped', stopped],
  ['a terminal that nobody reads', () => Terminal.open()],
  ['a pipe that is full from the start', fullPipe],
  ['a disk that is full', fullDisk],
] as const)('%s', (_, openSink: () => Promise<Sink>) => {
  test('keeps no secret, no rotation and no SIGTERM waiting', { timeout: 30_000 }, async () => {
    await using sink = await openSink();
    await using scene = await open(sink.fd);
    const { client, workloadApi, sidecar } = scene;
    const stream = client.stream().request([WEB]);
    await stream.accept();
    for (let i = 0; i < FETCHES; i++) await client.fetch([WEB]);
    await workloadApi.rotate();
    await stream.accept();

    expect(await sidecar.stop()).toBe(0);
  });

  test('keeps nothing waiting that is said at once', async () => {
    await using sink = await openSink();
    const source = `
      const { openLog } = await import(${JSON.stringify(LOG)});
      const log = await openLog({ level: 'info', format: 'json' });
      log.events({ type: 'draining', streams: 1 });
      process.exit(3);`;
    await using program = new Child(process.execPath, ['--input-type=module-typescript', '--eval', source], process.env, sink.fd);

    expect(await program.ended()).toBe(3);
  });
});

describe('a terminal', () => {
  test('that was stopped and goes on shows what was said meanwhile', async () => {
    await using terminal = await stopped();
    await using scene = await open(terminal.fd);
    await scene.client.stream().request([WEB]).accept();
    await terminal.do('go on');

    expect(await terminal.shown(/"secrets_accepted"/)).toContain(WEB);
  });

  test('stays as it was for others who write to it', async () => {
    await using terminal = await stopped();
    const before = flags(terminal.fd);
    await using scene = await open(terminal.fd);
    await scene.client.stream().request([WEB]).accept();

    expect(flags(terminal.fd)).toBe(before);
  });
});
