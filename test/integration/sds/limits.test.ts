/** What a client gets that wants too much, and that nobody else notices. */
import { once } from 'node:events';
import { connect } from 'node:http2';
import { createConnection } from 'node:net';
import { describe, expect, test } from 'vitest';
import { subscription } from '../../bench/frames.ts';
import { SdsConnection } from '../../bench/sds-connection.ts';
import { SdsClient, type SdsStream, secretsOf } from '../../support/sds/sds-client.ts';
import { type Running, startRunning } from '../../support/sidecar/sidecar.ts';

const NAME = 'default';
const MIB = 1024 * 1024;
const STREAM_SECRETS = {
  ':method': 'POST',
  ':path': '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets',
  'content-type': 'application/grpc',
};
/** As many as pass at once, and what is refilled while they are sent. */
const TOO_MANY_REQUESTS = 4_000;

/** A stream on a connection of its own, and whether the next rotation reaches it. */
async function bystander(running: Running, parts: AsyncDisposableStack): Promise<{ readonly stillServed: () => Promise<void> }> {
  const stream = parts.use(new SdsClient(running.socket)).stream().request([NAME]);
  await stream.secrets();
  return {
    async stillServed() {
      await running.workloadApi.rotate();
      expect(await stream.secrets()).toHaveLength(1);
    },
  };
}

async function start(limits: string, parts: AsyncDisposableStack): Promise<Running> {
  const running = parts.use(await startRunning({}, `sds: { limits: { ${limits} } }`));
  await running.event('context_received');
  return running;
}

function namesOf(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `name-${index}`);
}

describe('a client that does not speak HTTP/2', () => {
  test.each([
    ['HTTP/1.1, as an Envoy whose cluster says nothing else', 'POST /x HTTP/1.1\r\nhost: x\r\n\r\n'],
    ['TLS', '\x16\x03\x01\x00\x05hello, this is no preface'],
  ])('%s: is closed and reported, and the others are served', async (_, text) => {
    await using parts = new AsyncDisposableStack();
    const running = await start('connections: 2', parts);
    const { stillServed } = await bystander(running, parts);
    const client = createConnection(running.socket);
    client.on('error', () => undefined).write(text, 'latin1');
    await once(client.resume(), 'close');
    expect(await running.event('connection_not_http2')).toMatchObject({ peer: { connection: 2 } });
    await stillServed();
  });

  test('and goes away is not reported', async () => {
    await using parts = new AsyncDisposableStack();
    const running = await start('connections: 2', parts);
    const client = createConnection(running.socket);
    await once(client, 'connect');
    client.destroy();
    await running.event('connection_closed');
    expect(running.events.map(({ type }) => type)).not.toContain('connection_not_http2');
  });
});

describe('sds.limits.connections', () => {
  test('closes one connection more, and says so', async () => {
    await using parts = new AsyncDisposableStack();
    const running = await start('connections: 2', parts);
    const { stillServed } = await bystander(running, parts);
    await running.client.stream().request([NAME]).secrets();
    const stream = parts.use(new SdsClient(running.socket)).stream().request([NAME]);
    expect(await stream.ended()).toMatchObject({ code: 'UNAVAILABLE' });
    expect(await running.event('connection_refused')).toMatchObject({ limit: 2 });
    await stillServed();
  });

  test('gives the place of a connection that closes to the next', async () => {
    await using parts = new AsyncDisposableStack();
    const running = await start('connections: 1', parts);
    const first = createConnection(running.socket);
    await once(first, 'connect');
    first.destroy();
    // The sidecar has seen it close when it takes another; until then the client comes again.
    let stream: SdsStream;
    do {
      stream = parts.use(new SdsClient(running.socket)).stream().request([NAME]);
      await Promise.race([stream.secrets().catch(() => undefined), stream.ended()]);
    } while (!stream.open);
    expect(stream.open).toBe(true);
  });
});

describe('sds.limits.streams_per_connection', () => {
  test('is announced to the client by HTTP/2 settings', async () => {
    await using parts = new AsyncDisposableStack();
    const running = await start('streams_per_connection: 3', parts);
    const session = connect('http://localhost', { createConnection: () => createConnection(running.socket) });
    parts.defer(() => session.destroy());
    await once(session, 'remoteSettings');
    expect(session.remoteSettings.maxConcurrentStreams).toBe(3);
  });

  test('makes one stream more wait until another ends', async () => {
    await using parts = new AsyncDisposableStack();
    const running = await start('streams_per_connection: 2', parts);
    const { stillServed } = await bystander(running, parts);
    const streams = [running.client.stream().request([NAME]), running.client.stream().request([NAME])];
    for (const stream of streams) await stream.secrets();
    const third = running.client.stream().request([NAME]);
    await stillServed();
    expect(third).toMatchObject({ open: true, waiting: 0 });
    streams[0]?.close();
    expect(await third.secrets()).toHaveLength(1);
  });

  test('lets an Envoy reset all that it may open, and serves the others on the connection', async () => {
    await using parts = new AsyncDisposableStack();
    const running = await start('streams_per_connection: 2000', parts);
    const streams = Array.from({ length: 2_000 }, () => running.client.stream().request([NAME]));
    for (const stream of streams) await stream.secrets();
    const [kept, ...dropped] = [streams.slice(0, 500), ...streams.slice(500)];
    for (const stream of dropped) stream.cancel();
    await running.workloadApi.rotate();
    for (const stream of kept) expect(await stream.secrets()).toHaveLength(1);
  }, 30_000);

  test('closes the connection that resets more, and says whose it was', async () => {
    await using parts = new AsyncDisposableStack();
    const running = await start('streams_per_connection: 16', parts);
    const { stillServed } = await bystander(running, parts);
    const session = connect('http://localhost', { createConnection: () => createConnection(running.socket) });
    parts.defer(() => session.destroy());
    session.on('error', () => undefined);
    const closed = new Promise((resolve) => session.once('close', resolve));
    await once(session, 'remoteSettings');
    const reset = () => {
      if (session.destroyed) return;
      const call = session.request(STREAM_SECRETS, { endStream: false });
      call.on('error', () => undefined).once('close', reset);
      call.close(8);
    };
    reset();
    await closed;
    expect(await running.event('connection_broken')).toMatchObject({
      peer: { connection: 2 },
      reason: expect.stringMatching(/reset more than 1000 streams .*sds\.limits\.streams_per_connection/),
    });
    await stillServed();
  });

  test('lets ten thousand streams be answered on one connection by default', async () => {
    await using parts = new AsyncDisposableStack();
    const running = await start('', parts);
    const connection = parts.use(await SdsConnection.open(running.socket));
    await connection.settled();
    const request = subscription(NAME, 0);
    const answers = await Promise.all(Array.from({ length: 10_000 }, () => connection.answer(request)));
    expect(answers.filter(({ length }) => length > 0)).toHaveLength(10_000);
  }, 60_000);
});

describe('sds.limits.names_per_stream', () => {
  test('ends a stream of one name more with RESOURCE_EXHAUSTED', async () => {
    await using parts = new AsyncDisposableStack();
    const running = await start('names_per_stream: 10', parts);
    const { stillServed } = await bystander(running, parts);
    expect(await running.client.stream().request(namesOf(11)).ended()).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      details: expect.stringContaining('sds.limits.names_per_stream'),
    });
    await stillServed();
  });

  test('lets as many names as it says', async () => {
    await using parts = new AsyncDisposableStack();
    const running = await start('names_per_stream: 10', parts);
    const stream = running.client.stream().request([...namesOf(9), NAME]);
    expect(secretsOf(await stream.next()).map(({ name }) => name)).toEqual([NAME]);
  });

  test.each(['stream', 'delta'] as const)('ends a %s of a hundred thousand names', async (kind) => {
    await using parts = new AsyncDisposableStack();
    const running = await start('request_bytes: 16MiB', parts);
    const { stillServed } = await bystander(running, parts);
    const names = namesOf(100_000);
    const stream = kind === 'stream' ? running.client.stream().request(names) : running.client.delta().subscribe(...names);
    expect(await stream.ended()).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    await stillServed();
  });

  test('ends the stream whose names and node, with those of the others on its connection, take too much memory', async () => {
    await using parts = new AsyncDisposableStack();
    const running = await start('request_bytes: 16MiB', parts);
    const { stillServed } = await bystander(running, parts);
    const node = { id: 'x'.repeat(12 * MIB) };
    const streams = [1, 2, 3].map(() => running.client.stream());
    for (const stream of streams) await stream.request([NAME], { node }).secrets();
    const tooMuch = running.client.stream().request([NAME], { node });
    expect(await tooMuch.ended()).toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      details: expect.stringContaining('too much memory'),
    });
    streams[0]?.cancel();
    await running.event('stream_closed');
    await running.client.stream().request([NAME], { node }).secrets();
    await stillServed();
  });

  test('answers a hundred thousand names where the operator wants it', async () => {
    await using parts = new AsyncDisposableStack();
    const running = await start('request_bytes: 16MiB, names_per_stream: 100001', parts);
    const stream = running.client.stream().request([...namesOf(100_000), NAME]);
    expect(secretsOf(await stream.next()).map(({ name }) => name)).toEqual([NAME]);
  }, 30_000);
});

describe('sds.limits.request_bytes', () => {
  test.each([1, 64])('ends the stream of a request of %i MB with RESOURCE_EXHAUSTED', async (megabytes) => {
    await using parts = new AsyncDisposableStack();
    const running = await start('', parts);
    const { stillServed } = await bystander(running, parts);
    const stream = running.client.stream().request([NAME, 'x'.repeat(megabytes * MIB)]);
    expect(await stream.ended()).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    await stillServed();
  });

  test('spares the other streams of the same connection', async () => {
    await using parts = new AsyncDisposableStack();
    const running = await start('', parts);
    const stream = running.client.stream().request([NAME]);
    await stream.secrets();
    await running.client
      .stream()
      .request(['x'.repeat(MIB)])
      .ended();
    await running.workloadApi.rotate();
    expect(await stream.secrets()).toHaveLength(1);
  });

  test('lets a request of almost as much', async () => {
    await using parts = new AsyncDisposableStack();
    const running = await start('', parts);
    const node = { id: 'envoy', metadata: { fields: { padding: { string_value: 'x'.repeat(MIB - 1_000) } } } };
    expect(await running.client.stream().request([NAME], { node }).secrets()).toHaveLength(1);
  });

  test('holds for FetchSecrets', async () => {
    await using parts = new AsyncDisposableStack();
    const running = await start('request_bytes: 64KiB', parts);
    await expect(running.client.fetch(['x'.repeat(65_536)])).rejects.toThrow('RESOURCE_EXHAUSTED');
  });
});

describe('the request rate', () => {
  test.each(['stream', 'delta'] as const)('ends a %s that goes on asking and answers nothing', async (kind) => {
    await using parts = new AsyncDisposableStack();
    const running = await start('', parts);
    const { stillServed } = await bystander(running, parts);
    const stream = kind === 'stream' ? running.client.stream() : running.client.delta();
    for (let i = 0; i < TOO_MANY_REQUESTS; i++) {
      'subscribe' in stream ? stream.subscribe(NAME) : stream.request([i % 2 === 0 ? NAME : 'ROOTCA']);
    }
    expect(await stream.ended()).toMatchObject({ code: 'RESOURCE_EXHAUSTED', details: expect.stringContaining('100 a second') });
    await stillServed();
  });

  test('lets a thousand names be added one by one, as an Envoy does that adds a thousand listeners', async () => {
    await using parts = new AsyncDisposableStack();
    const running = await start('', parts);
    const stream = running.client.delta();
    for (const name of namesOf(1_000)) stream.subscribe(name);
    expect((await stream.subscribe(NAME).next()).resources).toHaveLength(1);
  });
});
