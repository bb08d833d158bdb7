import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Event, Peer } from '../../../src/events.ts';
import { GrpcServer } from '../../../src/server/grpc/grpc-server.ts';
import { ConnectedPeer } from '../../../src/server/peer.ts';
import { loadCredentialsReader, requireCredentialsReader } from '../../../src/server/peer-credentials.ts';
import { UnixListener } from '../../../src/server/unix-listener.ts';
import { logEvents } from '../../../src/telemetry/log/log.ts';
import { eventually } from '../../support/eventually.ts';
import { Child } from '../../support/sidecar/child.ts';

const self = { uid: process.getuid?.(), gid: process.getgid?.(), pid: process.pid };

let path: string;
let stack: AsyncDisposableStack;
let server: GrpcServer;
let first: Promise<Peer>;
let peers: ConnectedPeer[];
/** A process takes other groups only as root. */
const isRoot = process.getuid?.() === 0;
const ignore = () => undefined;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'peer-credentials-'));
  await chmod(folder, 0o755);
  peers = [];
  stack.defer(() => rm(folder, { recursive: true }));
  path = join(folder, 'sds.sock');
  const { promise, resolve } = Promise.withResolvers<Peer>();
  first = promise;
  const opened = (peer: Peer) => {
    resolve(peer);
    if (peer instanceof ConnectedPeer) peers.push(peer);
  };
  server = new GrpcServer([], {
    listener: { opened, closed: ignore, refused: ignore, notHttp2: ignore, broken: ignore, malformed: ignore },
  });
  stack.defer(() => server.close(0));
  const listener = await UnixListener.open({
    path,
    mode: 0o666,
    setting: 'sds.listen',
    server: createServer((socket) => server.accept(socket)),
  });
  stack.defer(() => listener.close());
});
afterEach(() => stack.disposeAsync());

/** The reader, and what was told of it. */
async function load(): Promise<readonly Event[]> {
  const told: Event[] = [];
  const read = await loadCredentialsReader((event) => told.push(event));
  if (read !== undefined) server.identifyPeers(read);
  return told;
}

async function connected(): Promise<Peer> {
  const socket = connect(path);
  stack.defer(() => void socket.destroy());
  return first;
}

describe.runIf(process.platform === 'linux')('a peer is known', () => {
  test('by the user, group and process that connected', async () => {
    expect(await load()).toEqual([]);
    expect((await connected()).credentials).toEqual(self);
  });

  test('when it is another process', async () => {
    await load();
    const program = `require('node:net').connect(${JSON.stringify(path)})`;
    await using child = new Child(process.execPath, ['--eval', program]);
    expect((await first).credentials).toEqual({ ...self, pid: child.pid });
  });

  test.skipIf(!isRoot)('by its supplementary groups too, however many they are', async () => {
    await load();
    for (const groups of [[], [55, 77], Array.from({ length: 300 }, (_, index) => 10_000 + index)]) {
      peers.length = 0;
      const program = `process.setgroups(${JSON.stringify(groups)}); process.setgid(1234); process.setuid(1234);
        require('node:net').connect(${JSON.stringify(path)})`;
      await using child = new Child(process.execPath, ['--eval', program]);
      const peer = await eventually('the peer', async () => peers[0]);
      expect(peer.credentials).toEqual({ uid: 1234, gid: 1234, pid: child.pid });
      expect(peer.groups).toEqual(groups);
    }
  });

  test('also when it connected before there was something to ask with', async () => {
    const peer = await connected();
    expect(peer.credentials).toBeUndefined();
    await load();
    expect(peer.credentials).toEqual(self);
  });

  test('still when it has gone', async () => {
    await load();
    const socket = connect(path);
    const peer = await first;
    socket.destroy();
    await once(socket, 'close');
    expect(peer.credentials).toEqual(self);
  });

  test('in a line of the log, with the number of its stream', async () => {
    await load();
    const lines: unknown[] = [];
    const log = pino({ level: 'trace', base: null, timestamp: false }, { write: (line) => lines.push(JSON.parse(line)) });
    logEvents(log)({ type: 'stream_opened', stream: 1, method: 'sotw', node: '', peer: await connected() });
    expect(lines).toEqual([expect.objectContaining({ stream: 1, peer: { connection: 1, ...self } })]);
  });
});

test('a socket that is closed belongs to nobody', async () => {
  const read = await requireCredentialsReader();
  const socket = connect(path);
  await once(socket, 'connect');
  socket.destroy();
  await once(socket, 'close');
  expect(read(socket)).toBeUndefined();
});

test('where the kernel cannot be asked, peers stay unknown, and that is reported once', async () => {
  const told: Event[] = [];
  const platform = Object.getOwnPropertyDescriptor(process, 'platform') as PropertyDescriptor;
  Object.defineProperty(process, 'platform', { ...platform, value: 'plan9' });
  stack.defer(() => void Object.defineProperty(process, 'platform', platform));
  expect(await loadCredentialsReader((event) => told.push(event))).toBeUndefined();
  expect(told).toEqual([{ type: 'peer_credentials_unavailable', reason: 'there is no SO_PEERCRED on plan9' }]);
});
