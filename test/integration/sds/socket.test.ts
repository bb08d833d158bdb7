import { once } from 'node:events';
import { chmod, link, mkdtempDisposable, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { checkHealth } from '../../../src/cli/clients/health-client.ts';
import { loadConfiguration } from '../../../src/config/load.ts';
import type { Event } from '../../../src/events.ts';
import { SDS } from '../../../src/sds/service.ts';
import type { Call } from '../../../src/server/grpc/call.ts';
import { GrpcServer, type GrpcService } from '../../../src/server/grpc/grpc-server.ts';
import { Status } from '../../../src/server/grpc/status.ts';
import { LOOK_MS } from '../../../src/server/kept-listener.ts';
import { UnixListener } from '../../../src/server/unix-listener.ts';
import { type Sidecar, startSidecar } from '../../../src/sidecar/sidecar.ts';
import { allPassed, readyz } from '../../../src/state/readiness.ts';
import { frameOf } from '../../../src/wire/frame.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';
import { SdsClient } from '../../support/sds/sds-client.ts';
import { Program } from '../../support/sidecar/program.ts';
import { startRunning } from '../../support/sidecar/sidecar.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

let stack: AsyncDisposableStack;
let folder: string;
let socket: string;
let workloadApi: string;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'socket-'))).path;
  socket = join(folder, 'sds.sock');
  workloadApi = `unix://${join(folder, 'workload.sock')}`;
});
afterEach(() => stack.disposeAsync());

/** @param yaml configuration beside the two addresses */
async function start(yaml = '', events: (event: Event) => void = () => undefined): Promise<Sidecar> {
  const { configuration } = loadConfiguration({
    flags: { config: 'test.yaml', workload_api: workloadApi, listen: `unix://${socket}` },
    env: {},
    readFile: () => yaml,
  });
  return stack.use(await startSidecar({ configuration, events }));
}

describe('the socket of a sidecar', () => {
  test('is there before the Workload API, and who asks early is served once that has come', async () => {
    await start();
    const stream = stack.use(new SdsClient(socket)).stream().request(['default']);
    stack.use(await TestWorkloadApi.start({ address: workloadApi, rotateEveryMs: 0 }));
    expect((await stream.secrets()).map(({ name }) => name)).toEqual(['default']);
  });

  test('has the mode and the group that are configured', async () => {
    const gid = process.getuid?.() === 0 ? 1337 : (process.getgid?.() ?? 0);
    await start(`sds: { mode: "0620", group: "${gid}" }`);
    const found = await stat(socket);
    expect([found.mode & 0o777, found.gid]).toEqual([0o620, gid]);
  });

  test('takes the place of one that a dead sidecar left behind', async () => {
    const dead = createServer().listen(join(folder, 'dead'));
    await once(dead, 'listening');
    await link(join(folder, 'dead'), socket);
    dead.close();
    await once(dead, 'close');
    await start();
    const connection = connect(socket);
    stack.defer(() => void connection.destroy());
    await expect(once(connection, 'connect')).resolves.toEqual([]);
  });

  test('is not taken from a living sidecar', async () => {
    await start();
    await expect(start()).rejects.toMatchObject({ code: 'listen_failed', message: expect.stringContaining(socket) });
  });

  test('is not there for a group that does not exist', async () => {
    await expect(start('sds: { group: no-such-group }')).rejects.toMatchObject({ code: 'config_invalid' });
  });

  test('is gone after stop, also when there never was a Workload API', async () => {
    const sidecar = await start();
    await sidecar.stop();
    await expect(stat(socket)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('the folder of the socket', () => {
  test.for([
    [0o777, true],
    [0o1777, false],
    [0o755, false],
  ] as const)('of mode %o is reported once if every user may write to it: %j', async ([mode, told]) => {
    await chmod(folder, mode);
    const events: Event[] = [];
    await start('', (event) => events.push(event));
    const expected = { type: 'socket_unprotected', address: `unix://${socket}`, folder };
    expect(events.filter(({ type }) => type === 'socket_unprotected')).toEqual(told ? [expected] : []);
  });
});

describe('a socket whose path is lost', () => {
  /** A sidecar that is ready. */
  async function ready(clock: ManualClock) {
    const running = stack.use(await startRunning({}, '', clock));
    await running.event('svid_received');
    const isReady = () => allPassed(readyz(running.observed, clock.now()));
    return { ...running, isReady, health: () => checkHealth(running.socket, SDS, 5_000) };
  }

  test('is reported and put back: open connections stay open, later ones are served', async () => {
    const clock = new ManualClock();
    const { client, socket, event, health } = await ready(clock);
    const stream = client.stream().request(['default']);
    await stream.secrets();
    await rm(socket);
    clock.advance(LOOK_MS);
    expect(await event('socket_lost')).toMatchObject({ reason: 'it was removed' });
    await event('socket_restored');
    expect(await health()).toBe(true);
    expect(await stack.use(new SdsClient(socket)).stream().request(['default']).secrets()).toHaveLength(1);
    expect(stream.open).toBe(true);
  });

  test('makes it not ready until it can be put back; the reason is reported once', async () => {
    const clock = new ManualClock();
    const { socket, isReady, events } = await ready(clock);
    await rm(socket);
    await writeFile(socket, 'mine');
    clock.advance(LOOK_MS);
    await vi.waitFor(() => expect(events.filter(({ type }) => type === 'socket_lost')).toHaveLength(2));
    expect(events.findLast(({ type }) => type === 'socket_lost')).toMatchObject({
      reason: expect.stringMatching(
        /is in its place, and it cannot be put back: .*something that is not a socket is there: remove it/,
      ),
    });
    expect(isReady()).toBe(false);
    await rm(socket);
    await vi.waitFor(() => {
      clock.advance(LOOK_MS);
      expect(events.some(({ type }) => type === 'socket_restored')).toBe(true);
    });
    expect(isReady()).toBe(true);
    expect(events.filter(({ type }) => type === 'socket_lost')).toHaveLength(2);
  });

  test("to a stranger's socket is taken back, and told with whose it was", async () => {
    const clock = new ManualClock();
    const { socket, event, health } = await ready(clock);
    await rm(socket);
    const stranger = createServer((connection) => connection.destroy()).listen(socket);
    stack.defer(() => void stranger.close());
    await once(stranger, 'listening');
    clock.advance(LOOK_MS);
    expect(await event('socket_lost')).toMatchObject({
      reason: expect.stringMatching(/^another socket, of uid \d+, is in its place$/),
    });
    await event('socket_restored');
    expect(await health()).toBe(true);
  });

  test('is not put back by a sidecar that has stopped', async () => {
    const clock = new ManualClock();
    const { socket, stop } = await ready(clock);
    await rm(socket);
    clock.advance(LOOK_MS);
    await stop();
    clock.advance(LOOK_MS);
    await expect(stat(socket)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('a connection', () => {
  test.for([
    ['speaks HTTP/1.1', 'GET / HTTP/1.1\r\nhost: x\r\n\r\n', /it does not speak HTTP\/2: .*http2_protocol_options/],
    ['breaks the rules of HTTP/2', `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'x'.repeat(64)}`, /it broke the rules of HTTP\/2/],
  ] as const)('that %s is closed, and that is told', async ([_, bytes, reason]) => {
    const running = stack.use(await startRunning());
    const connection = connect(running.socket).on('error', () => undefined);
    connection.resume().write(bytes);
    expect(await running.event('connection_broken')).toMatchObject({ reason: expect.stringMatching(reason) });
    await once(connection, 'close');
  });
});

describe('a server that closes', () => {
  /** Far longer than a test may take: nothing is closed by force. */
  const NEVER = 60_000;
  /** In the buffers of two sockets. */
  const MORE_THAN_FITS = 16 * 1024 * 1024;

  /** @returns the server, and its first connection */
  async function listening(services: readonly GrpcService[] = []) {
    const server = new GrpcServer(services);
    const { promise: accepted, resolve } = Promise.withResolvers<Socket>();
    const onConnection = (connection: Socket) => {
      server.accept(connection);
      resolve(connection);
    };
    const options = { path: socket, mode: 0o600, setting: 'sds.listen', server: createServer(onConnection) };
    const listener = await UnixListener.open(options);
    stack.defer(() => listener.close());
    return { server, accepted };
  }

  /** A service whose calls end when it drains. @returns its first call, too */
  function callService() {
    const { promise: opened, resolve } = Promise.withResolvers<Call>();
    const ignore = () => undefined;
    const open = (call: Call) => {
      resolve(call);
      return { message: ignore, halfClosed: ignore, closed: ignore };
    };
    const service: GrpcService = {
      methods: { [`/${SDS}/StreamSecrets`]: open },
      drain: () => void opened.then((call) => call.end(Status.UNAVAILABLE, '')),
    };
    return { service, opened };
  }

  /** A process that opens a call, takes any amount and ends nothing. */
  function clientWithCall(): Program {
    const headers = { ':method': 'POST', ':path': `/${SDS}/StreamSecrets`, 'content-type': 'application/grpc', te: 'trailers' };
    return new Program(`
      import { connect } from 'node:http2';
      import { createConnection } from 'node:net';
      const settings = { initialWindowSize: 2 ** 30 };
      const session = connect('http://localhost', { settings, createConnection: () => createConnection(${JSON.stringify(socket)}) });
      session.on('connect', () => session.setLocalWindowSize(2 ** 30));
      const call = session.request(${JSON.stringify(headers)}, { endStream: false });
      for (const one of [session, call]) one.on('error', () => undefined);
      call.resume();
      setInterval(() => undefined, 1_000);`);
  }

  test('waits for no connection without calls, although its peer never says anything nor leaves', async () => {
    const { server, accepted } = await listening();
    const silent = connect({ path: socket, allowHalfOpen: true }).pause();
    stack.defer(() => void silent.destroy());
    await accepted;
    await expect(server.close(NEVER)).resolves.toBeUndefined();
  });

  test('waits for no call that its client does not end', async () => {
    const { service, opened } = callService();
    const { server } = await listening([service]);
    await using _ = clientWithCall();
    await opened;
    await expect(server.close(NEVER)).resolves.toBeUndefined();
  });

  test('cuts off a peer that does not read', async () => {
    const { service, opened } = callService();
    const { server, accepted } = await listening([service]);
    await using client = clientWithCall();
    const call = await opened;
    process.kill(client.pid, 'SIGSTOP');
    call.send(frameOf(Buffer.alloc(MORE_THAN_FITS)));
    await server.close(1_000);
    expect((await accepted).destroyed).toBe(true);
  });

  test('does not mind a peer that resets its connection', async () => {
    const server = new GrpcServer([]);
    const closed = Promise.withResolvers<void>();
    const onConnection = (connection: Socket) => {
      server.accept(connection);
      connection.once('close', () => closed.resolve());
      connection.destroy(new Error('reset'));
    };
    const listener = await UnixListener.open({
      path: socket,
      mode: 0o600,
      setting: 'sds.listen',
      server: createServer(onConnection),
    });
    stack.defer(() => listener.close());
    connect(socket).on('error', () => undefined);
    await closed.promise;
    await expect(server.close(10)).resolves.toBeUndefined();
  });
});
