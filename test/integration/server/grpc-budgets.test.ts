/** What one peer may cost: its stream or its connection ends, and the others live. */
import { once } from 'node:events';
import { mkdtempDisposable } from 'node:fs/promises';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DEFAULT_LIMITS, type GrpcLimits } from '../../../src/server/grpc/limits.ts';
import { frameOf } from '../../../src/wire/frame.ts';
import { callHeaders, END_HEADERS, FrameType, HELLO, headerField, http2Frame } from '../../hostile/http2-frames.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';
import { InteropServer } from '../../support/sds/interop-service.ts';

const KIB = 1024;
/** A message of which this much has come, and one byte has not. */
const unfinished = (bytes: number) => frameOf(Buffer.alloc(bytes)).subarray(0, -1);

let stack: AsyncDisposableStack;
let socket: string;
let interop: InteropServer;
let clock: ManualClock;
let broken: { readonly connection: number; readonly reason: string }[];
let refused: number;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  socket = join(stack.use(await mkdtempDisposable(join(tmpdir(), 'budgets-'))).path, 'grpc.sock');
  clock = new ManualClock();
  broken = [];
  refused = 0;
});
afterEach(() => stack.disposeAsync());

async function serve(limits: Partial<GrpcLimits>): Promise<void> {
  const ignore = () => undefined;
  interop = await InteropServer.start(socket, {
    limits: { ...DEFAULT_LIMITS, ...limits },
    clock,
    listener: {
      opened: ignore,
      closed: ignore,
      refused: () => refused++,
      notHttp2: ignore,
      broken: ({ connection }, reason) => broken.push({ connection, reason }),
      malformed: ignore,
    },
  });
  stack.defer(async () => {
    const closed = interop[Symbol.asyncDispose]();
    clock.advance(10_000);
    await closed;
  });
}

/** A connection whose settings were exchanged. */
async function connected(settings: { readonly initialWindowSize?: number } = {}): Promise<ClientHttp2Session> {
  const session = connect('http://localhost', { createConnection: () => createConnection(socket), settings });
  stack.defer(() => session.destroy());
  session.on('error', () => undefined);
  await once(session, 'remoteSettings');
  return session;
}

function call(session: ClientHttp2Session, method: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
  const request = { ':method': 'POST', ':path': `/interop.Test/${method}`, 'content-type': 'application/grpc', ...headers };
  return session.request(request, { endStream: false }).on('error', () => undefined);
}

/** Answers, or throws. */
async function works(session: ClientHttp2Session): Promise<void> {
  const chat = call(session, 'Chat');
  chat.write(frameOf(Buffer.from('hello')));
  const [answer] = (await once(chat, 'data')) as [Buffer];
  expect(answer).toEqual(frameOf(Buffer.from('hello')));
  chat.close();
}

/** Not `once` of node:events: errors come before. */
const ended = (one: ClientHttp2Session | ClientHttp2Stream) => new Promise((resolve) => one.once('close', resolve));
const statusOf = async (stream: ClientHttp2Stream) =>
  ((await once(stream.resume(), 'response')) as [IncomingHttpHeaders])[0]['grpc-status'];

describe('messages that are not whole', () => {
  test('end the stream that brings too much of them, and no other', async () => {
    await serve({ partialBytesPerConnection: 100 * KIB });
    const session = await connected();
    const first = call(session, 'Chat');
    first.write(unfinished(40 * KIB));
    const second = call(session, 'Chat');
    second.write(unfinished(80 * KIB));
    expect(await statusOf(second)).toBe('8');
    await works(session);
    first.write(Buffer.alloc(1));
    await once(first, 'data');
    expect(broken).toEqual([]);
  });

  test('count no more once their stream has ended', async () => {
    await serve({ partialBytesPerConnection: 100 * KIB });
    const session = await connected();
    for (let i = 0; i < 5; i++) {
      const stream = call(session, 'Chat');
      stream.write(unfinished(60 * KIB));
      await works(session);
      stream.close(8);
      await works(session);
    }
    const last = call(session, 'Chat');
    last.write(frameOf(Buffer.alloc(90 * KIB)));
    await once(last, 'data');
  });

  test('of all connections together end the one that has most of them', async () => {
    await serve({ partialBytes: 150 * KIB });
    const [bad, good] = [await connected(), await connected()];
    call(bad, 'Chat').write(unfinished(60 * KIB));
    call(bad, 'Chat').write(unfinished(60 * KIB));
    await works(bad);
    const stream = call(good, 'Chat');
    const gone = ended(bad);
    stream.write(unfinished(50 * KIB));
    await gone;
    expect(broken).toEqual([{ connection: 1, reason: expect.stringContaining('not whole') }]);
    await works(good);
  });
});

describe('answers that are not read', () => {
  test('end their connection', async () => {
    await serve({ unsentBytesPerConnection: 200 * KIB });
    const [bad, good] = [await connected({ initialWindowSize: 0 }), await connected()];
    const gone = ended(bad);
    for (let i = 0; i < 5; i++) call(bad, 'Echo').end(frameOf(Buffer.alloc(60 * KIB)));
    await gone;
    expect(broken).toEqual([{ connection: 1, reason: 'it does not read what it is sent' }]);
    await works(good);
  });

  test('of all connections together end the one that reads least', async () => {
    await serve({ unsentBytes: 300 * KIB });
    const [bad, slow] = [await connected({ initialWindowSize: 0 }), await connected({ initialWindowSize: 0 })];
    const gone = ended(bad);
    for (let i = 0; i < 4; i++) call(bad, 'Echo').end(frameOf(Buffer.alloc(60 * KIB)));
    const stream = call(slow, 'Echo');
    stream.end(frameOf(Buffer.alloc(100 * KIB)));
    await gone;
    expect(broken).toEqual([{ connection: 1, reason: expect.stringContaining('does not read most') }]);
  });

  test('that are the same bytes for many streams count once', async () => {
    await serve({ unsentBytesPerConnection: 200 * KIB });
    const session = await connected({ initialWindowSize: 0 });
    call(session, 'Echo').end(frameOf(Buffer.alloc(10)));
    const streams = Array.from({ length: 20 }, () => call(session, 'Shared'));
    for (const stream of streams) stream.end(frameOf(Buffer.alloc(0)));
    // Headers come whatever the window.
    await Promise.all(streams.map((stream) => once(stream, 'response')));
    expect(broken).toEqual([]);
  });

  test('may be one that is larger than that', async () => {
    await serve({ unsentBytesPerConnection: 200 * KIB });
    const session = await connected({ initialWindowSize: 0 });
    const stream = call(session, 'Echo');
    stream.end(frameOf(Buffer.alloc(300 * KIB)));
    await once(stream, 'response');
    expect(broken).toEqual([]);
  });
});

test('headers that are too large end their stream, and no other', async () => {
  await serve({ headerBytes: 4 * KIB });
  const session = await connected();
  const large = call(session, 'Echo', { 'x-large': 'x'.repeat(8 * KIB) });
  await ended(large);
  expect(large.rstCode).not.toBe(0);
  await works(session);
});

test('headers that are too large end the connection of a peer that does not acknowledge SETTINGS', async () => {
  await serve({ headerBytes: 4 * KIB });
  const good = await connected();
  const bad = createConnection(socket);
  stack.defer(() => void bad.destroy());
  const large = Buffer.concat([callHeaders('/interop.Test/Chat'), headerField('x-large', 'x'.repeat(4 * KIB))]);
  bad.on('error', () => undefined).resume();
  bad.write(Buffer.concat([HELLO, http2Frame(FrameType.HEADERS, END_HEADERS, 1, large)]));
  await once(bad, 'close');
  expect(broken).toEqual([
    { connection: 2, reason: expect.stringMatching(/headers of a call have \d+ bytes, the limit is 4096/) },
  ]);
  await works(good);
});

test('more headers a second than it may send end a connection', async () => {
  await serve({ callsPerSecond: 10, maxStreamsPerConnection: 20 });
  const [bad, good] = [await connected(), await connected()];
  const gone = ended(bad);
  for (let i = 0; i < 4; i++) call(bad, 'Chat', { 'x-large': 'x'.repeat(6 * KIB) });
  await gone;
  expect(broken).toEqual([{ connection: 1, reason: 'it sends more than 10240 bytes of headers a second' }]);
  await works(good);
});

test('more calls a second than it may begin end a connection', async () => {
  await serve({ callsPerSecond: 10, maxStreamsPerConnection: 20 });
  const [bad, good] = [await connected(), await connected()];
  for (let i = 0; i < 20; i++) await works(bad);
  const gone = ended(bad);
  call(bad, 'Chat');
  await gone;
  expect(broken).toEqual([{ connection: 1, reason: 'it begins more than 10 calls a second' }]);
  clock.advance(1_000);
  await works(good);
});

test('more calls a second than a user may begin on four connections end the one that began most, and no other', async () => {
  await serve({ callsPerSecond: 10, maxStreamsPerConnection: 10 });
  const good = await connected();
  await works(good);
  for (let i = 0; i < 4; i++) {
    const bad = await connected();
    for (let j = 0; j < (i < 3 ? 10 : 9); j++) await works(bad);
  }
  call(await connected(), 'Chat');
  await vi.waitFor(() => expect(broken).toHaveLength(1));
  expect(broken).toEqual([{ connection: 2, reason: 'its user begins more than 40 calls a second' }]);
  clock.advance(1_000);
  await works(good);
});

test.each([
  ['answered', 'Echo'],
  ['refused', 'NoSuchMethod'],
])('more calls a second that are %s at once end a connection', async (_, method) => {
  await serve({ endedPerSecond: 1 });
  const [bad, good] = [await connected(), await connected()];
  const gone = ended(bad);
  for (let i = 0; i < 21; i++) call(bad, method).end(frameOf(Buffer.from('x')));
  await gone;
  expect(broken).toEqual([
    { connection: 1, reason: expect.stringMatching(/more than 1 calls a second that are answered or refused/) },
  ]);
  await works(good);
});

test('more open calls than there may be of all end the connection that has most', async () => {
  await serve({ maxCalls: 15 });
  const [good, bad] = [await connected(), await connected()];
  for (let i = 0; i < 5; i++) call(good, 'Chat');
  await works(good);
  const gone = ended(bad);
  for (let i = 0; i < 11; i++) call(bad, 'Chat');
  await gone;
  expect(broken).toEqual([{ connection: 2, reason: 'it has most calls when there are more than 15' }]);
  await works(good);
});

test('more PING frames a second than it may send end a connection', async () => {
  await serve({ controlFramesPerSecond: 10 });
  const [bad, good] = [await connected(), await connected()];
  const gone = ended(bad);
  const ping = () => void (bad.destroyed || bad.ping(ping));
  ping();
  await gone;
  expect(broken).toEqual([{ connection: 1, reason: expect.stringContaining('PING and SETTINGS') }]);
  await works(good);
});

describe('a connection that says nothing', () => {
  const silent = async (): Promise<Socket> => {
    const connection = createConnection(socket);
    stack.defer(() => void connection.destroy());
    await once(connection, 'connect');
    return connection.resume();
  };

  test('is closed when its time for the preface is over', async () => {
    await serve({ handshakeMs: 5_000 });
    const connection = await silent();
    const good = await connected();
    await works(good);
    clock.advance(4_999);
    expect(connection.destroyed).toBe(false);
    const gone = once(connection, 'close');
    clock.advance(1);
    await gone;
    expect(broken).toEqual([{ connection: 1, reason: 'it has not begun to speak HTTP/2 within 5 s' }]);
    await works(good);
  });

  test('makes room when there are too many: the oldest goes first', async () => {
    await serve({ maxConnections: 3 });
    const used = await connected();
    const open = call(used, 'Chat');
    open.write(frameOf(Buffer.from('x')));
    await once(open, 'data');
    const [oldest, younger] = [await silent(), await silent()];
    const gone = once(oldest, 'close');
    await works(await connected());
    await gone;
    expect([younger.destroyed, used.destroyed, refused]).toEqual([false, false, 0]);
  });
});

test('a connection is refused when each of those that are open has a stream', async () => {
  await serve({ maxConnections: 1 });
  const used = await connected();
  const open = call(used, 'Chat');
  open.write(frameOf(Buffer.from('x')));
  await once(open, 'data');
  await once(
    createConnection(socket)
      .on('error', () => undefined)
      .resume(),
    'close',
  );
  expect(refused).toBe(1);
  await works(used);
});

test('when memory is short, the connection that has most calls ends, and those with few live', async () => {
  await serve({});
  const [few, many] = [await connected(), await connected()];
  await works(few);
  many.setMaxListeners(0);
  for (let i = 0; i < 999; i++) call(many, 'Chat');
  await works(many);
  const gone = new Promise((resolve) => many.once('close', resolve));
  interop.server.shed();
  await gone;
  interop.server.shed();
  await works(few);
  expect(broken.map(({ reason }) => reason)).toEqual(['the memory limit of this process is near, and it has most calls']);
});
