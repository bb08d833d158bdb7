import { once } from 'node:events';
import { link, mkdtempDisposable, stat } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadConfiguration } from '../../src/config/load.ts';
import { DevWorkloadApi } from '../../src/dev/dev-workload-api.ts';
import { GrpcServer } from '../../src/server/grpc-server.ts';
import { UnixListener } from '../../src/server/unix-listener.ts';
import { type Sidecar, startSidecar } from '../../src/sidecar.ts';
import { SdsClient } from '../support/sds-client.ts';

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
async function start(yaml = ''): Promise<Sidecar> {
  const { configuration } = loadConfiguration({
    flags: { config: 'test.yaml', workload_api: workloadApi, listen: `unix://${socket}` },
    env: {},
    readFile: () => yaml,
  });
  return stack.use(await startSidecar({ configuration, events: () => undefined }));
}

describe('the socket of a sidecar', () => {
  test('is there before the Workload API, and who asks early is served once that has come', async () => {
    await start();
    const stream = stack.use(new SdsClient(socket)).stream().request(['default']);
    stack.use(await DevWorkloadApi.start({ address: workloadApi, rotateEveryMs: 0 }));
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

describe('a server that closes', () => {
  test('cuts off who neither listens nor leaves', async () => {
    const server = new GrpcServer([]);
    const accepted = Promise.withResolvers<Socket>();
    const onConnection = (connection: Socket) => {
      server.accept(connection);
      accepted.resolve(connection);
    };
    const listener = await UnixListener.open({
      path: socket,
      mode: 0o600,
      setting: 'sds.listen',
      server: createServer(onConnection),
    });
    stack.defer(() => listener.close());
    const deaf = connect({ path: socket, allowHalfOpen: true }).pause();
    stack.defer(() => void deaf.destroy());
    const connection = await accepted.promise;
    await server.close(10);
    expect(connection.destroyed).toBe(true);
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
