/** The admin API of a sidecar that serves, asked over real sockets. */
import { once } from 'node:events';
import { rm, stat } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { LOOK_MS } from '../../../src/server/kept-listener.ts';
import { FIRST_RETRY_MS } from '../../../src/server/listening-again.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { ask, type Reply, type Serving, serving } from '../../support/sidecar/admin.ts';

const WEB = 'spiffe://example.org/web';
const HOUR = 3_600_000;

/** Waits until the probe says that. */
function probed({ get }: Serving, path: string, status: number): Promise<Reply> {
  return eventually(`${status} at ${path}`, async () => {
    const reply = await get(path);
    return reply.status === status ? reply : undefined;
  });
}

describe('readyz', () => {
  test('is 503 with the reason before there is an identity, and 200 with it', async () => {
    await using admin = await serving({ workload: { identities: [] } });
    await admin.running.event('workload_api_lost');
    expect(await admin.get('/readyz')).toMatchObject({
      status: 503,
      body: expect.stringMatching(
        /^\[-\]secrets failed: .*\n\[-\]upstream failed: .*registration entry.*\nreadyz check failed\n$/,
      ),
    });
    await admin.running.workloadApi.setIdentities([{ path: '/web' }]);
    expect(await probed(admin, '/readyz', 200)).toMatchObject({ body: 'ok\n' });
  });

  test('is 503 when the Workload API denies this workload, and 200 when it does no more', async () => {
    await using admin = await serving();
    await probed(admin, '/readyz', 200);
    admin.running.workloadApi.deny();
    expect((await probed(admin, '/readyz', 503)).body).toMatch(/\[-\]upstream failed: refused since .*PERMISSION_DENIED/);
    admin.running.workloadApi.allow();
    await probed(admin, '/readyz', 200);
    expect((await admin.get('/startupz')).status).toBe(200);
  });

  test('is 503 when the SVID has expired, and 200 when a new one has come', async () => {
    const clock = new ManualClock();
    await using admin = await serving({ clock, workload: { svidTtlMs: HOUR } });
    await admin.running.event('svid_received');
    expect((await admin.get('/readyz')).status).toBe(200);
    clock.advance(HOUR);
    expect(await admin.get('/readyz')).toMatchObject({ status: 503, body: expect.stringContaining(`${WEB} has expired at`) });
    expect((await admin.get('/startupz')).status).toBe(200);
    await admin.running.workloadApi.rotate();
    await probed(admin, '/readyz', 200);
  });

  test('is 503 while it drains, and livez is 200 still', async () => {
    await using admin = await serving();
    await probed(admin, '/readyz', 200);
    await admin.running.stop();
    expect([(await admin.get('/readyz')).status, (await admin.get('/livez')).status]).toEqual([503, 200]);
  });

  test('shows each check with its reason when it is asked to be verbose', async () => {
    await using admin = await serving();
    await probed(admin, '/readyz', 200);
    const lines = (await admin.get('/readyz?verbose')).body.trimEnd().split('\n');
    expect(lines.map((line) => line.split(':')[0])).toEqual([
      '[+]socket ok',
      '[+]shutdown ok',
      '[+]secrets ok',
      '[+]expiry ok',
      '[+]upstream ok',
      'readyz check passed',
    ]);
  });
});

describe('/v1/status', () => {
  test('follows a rotation', async () => {
    await using admin = await serving();
    await probed(admin, '/readyz', 200);
    const before = await admin.status();
    await admin.running.workloadApi.rotate();
    await admin.running.event('svid_rotated');
    const after = await admin.status();
    const serials = [before, after].map(({ identities: [identity] }) => identity?.serial);
    expect(new Set(serials).size).toBe(2);
    expect(after.identities[0]).toMatchObject({ id: WEB, names: [WEB, 'default'], state: 'fresh' });
  });

  test('shows who subscribes, what they have, what they rejected and what they wait for', async () => {
    await using admin = await serving();
    await admin.running.event('svid_received');
    const stream = admin.running.client.stream().request(['default', 'nobody'], { node: { id: 'edge' } });
    const response = await stream.next();
    stream.request(['default', 'nobody'], { response_nonce: response.nonce, error_detail: { code: 13, message: 'no\nkey' } });
    await admin.running.event('secrets_rejected');
    const { subscribers, subscribers_total, held, counts } = await admin.status();
    const [sent] = subscribers[0]?.names ?? [];
    expect({ subscribers, subscribers_total, held, counts }).toEqual({
      subscribers: [
        expect.objectContaining({
          method: 'sotw',
          node: 'edge',
          names: [
            { name: 'default', kind: 'tls_certificate', sent: sent?.sent, rejected: sent?.sent },
            { name: 'nobody', held: true },
          ],
          last_nack: { at: expect.any(String), names: ['default'], reason: 'no key' },
        }),
      ],
      subscribers_total: 1,
      held: [{ name: 'nobody', streams: 1 }],
      counts: { connections: 1, streams: 1, subscriptions: 2, held: 1 },
    });
    expect(await admin.status('?node=other')).toMatchObject({ subscribers: [], subscribers_total: 0 });
    stream.cancel();
  });

  test('holds no key, and nothing that could be one', async () => {
    await using admin = await serving();
    await admin.running.event('svid_received');
    await admin.running.client.stream().request([]).secrets();
    const { body } = await admin.get('/v1/status');
    expect(body).not.toMatch(/PRIVATE|BEGIN|[A-Za-z0-9+/=]{80,}/);
  });

  test('cannot be made to look like something else by a name', async () => {
    await using admin = await serving();
    await admin.running.event('svid_received');
    const name = 'x\n"ready": true\u2028\u202e\u001b[2J';
    admin.running.client.stream().request([name]);
    await admin.running.event('names_held');
    const { body } = await admin.get('/v1/status');
    expect(body.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    expect(JSON.parse(body).held).toEqual([{ name, streams: 1 }]);
  });
});

describe('requests', () => {
  let admin: Serving;
  beforeAll(async () => {
    admin = await serving({
      metrics(accept) {
        if (accept === 'broken') throw new Error('no\nmetrics');
        return accept === 'none' ? undefined : { contentType: `text/x; ${accept}`, text: 'm 1\n' };
      },
    });
  });
  afterAll(() => admin[Symbol.asyncDispose]());

  test.for(['/', '/livez', '/readyz', '/startupz', '/v1/status', '/metrics'])(
    '%s is not kept by caches nor guessed at',
    async (path) => {
      const { headers } = await admin.get(path);
      expect(headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    },
  );

  test('for metrics get the form that they accept', async () => {
    const reply = await ask(admin.to, '/metrics', { headers: { accept: 'openmetrics' } });
    expect(reply).toMatchObject({ status: 200, headers: { 'content-type': 'text/x; openmetrics' }, body: 'm 1\n' });
  });

  test('for metrics that are turned off are answered with the setting that did it', async () => {
    const reply = await ask(admin.to, '/metrics', { headers: { accept: 'none' } });
    expect(reply).toMatchObject({ status: 404, body: expect.stringContaining('telemetry.prometheus') });
  });

  test('that fail get an error, and nothing else fails', async () => {
    const reply = await ask(admin.to, '/metrics', { headers: { accept: 'broken' } });
    expect(reply).toMatchObject({ status: 500, body: 'this did not work: no metrics\n' });
    expect((await admin.get('/livez')).status).toBe(200);
  });

  test('by HEAD get what GET gets, without its body', async () => {
    const get = await admin.get('/livez');
    const head = await ask(admin.to, '/livez', { method: 'HEAD' });
    expect(head).toMatchObject({ status: 200, body: '', headers: { 'content-length': get.headers['content-length'] } });
  });

  test.for(['POST', 'PUT', 'DELETE', 'OPTIONS'])('by %s are not allowed', async (method) => {
    expect(await ask(admin.to, '/livez', { method })).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } });
  });

  test('with a body are refused', async () => {
    expect(await ask(admin.to, '/livez', { headers: { 'content-length': '1' } })).toMatchObject({ status: 413 });
  });

  test('for unknown paths are answered with the known ones', async () => {
    expect(await admin.get('/v1/keys')).toMatchObject({ status: 404, body: expect.stringContaining('GET /v1/status') });
  });

  test.for([
    ['half a word', 'GE'],
    ['no HTTP', '\0\0\0'],
    ['no host', 'GET / HTTP/1.1\r\n\r\n'],
    ['too many headers', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`],
  ] as const)('of %s end their connection, and nothing else', async ([_, bytes]) => {
    const broken = connect((admin.to as { socketPath: string }).socketPath).on('error', () => undefined);
    broken.end(bytes);
    broken.resume();
    await once(broken, 'close');
    expect((await admin.get('/livez')).status).toBe(200);
  });
});

describe('over TCP', () => {
  let port: number;
  let admin: Serving;
  beforeAll(async () => {
    port = await freePort();
    admin = await serving({ admin: () => ({ listen: `127.0.0.1:${port}`, hosts: ['sidecar.internal'] }) });
  });
  afterAll(() => admin[Symbol.asyncDispose]());

  test.for(['localhost', `localhost:8082`, '127.0.0.1:1', '10.0.0.7', '[::1]:8082', 'sidecar.internal:8082', 'SIDECAR.internal'])(
    'a request to the host %s is answered',
    async (host) => {
      expect(await ask({ port }, '/livez', { headers: { host } })).toMatchObject({ status: 200 });
    },
  );

  test.for(['evil.test', 'localhost.evil.test:8082', '127.0.0.1.evil.test', '[::1', 'sidecar.internal.evil'])(
    'a request to the host %j is refused, naming the setting',
    async (host) => {
      const reply = await ask({ port }, '/v1/status', { headers: { host } });
      expect(reply).toMatchObject({ status: 421, body: expect.stringContaining('admin.hosts') });
    },
  );

  test.for([
    ['HTTP/1.0 without a host, as HAProxy asks, is answered', 'GET /livez HTTP/1.0\r\n\r\n', 200],
    ['an empty host is refused', 'GET /livez HTTP/1.1\r\nhost:\r\n\r\n', 421],
    ['no host in HTTP/1.1 is refused', 'GET /livez HTTP/1.1\r\n\r\n', 400],
  ] as const)('a request of %s', async ([_, request, status]) => {
    const client = connect(port, '127.0.0.1');
    client.write(request);
    const [head] = await once(client, 'data');
    expect(String(head).slice(0, 12)).toBe(`HTTP/1.1 ${status}`);
    client.destroy();
  });

  test('it says where it is', () => {
    expect(admin.told).toEqual([{ type: 'admin_listening', part: 'api', address: `127.0.0.1:${port}` }]);
  });
});

describe('an address', () => {
  test('that is taken is reported with the setting to change, and the sidecar goes on', async () => {
    await using taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const address = `127.0.0.1:${(taken.address() as AddressInfo).port}`;
    await using admin = await serving({ admin: () => ({ listen: address }) });
    const reason = expect.stringMatching(/EADDRINUSE.*admin\.listen/);
    expect(admin.told).toEqual([{ type: 'admin_failed', part: 'api', address, reason }]);
    expect(await admin.running.client.stream().request(['default']).secrets()).toHaveLength(1);
  });

  test('that is taken is tried again, without a word until it is free', async () => {
    const clock = new ManualClock();
    await using taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    await using admin = await serving({ clock, admin: () => ({ listen: `127.0.0.1:${port}` }) });
    await vi.waitFor(() => expect(admin.told).toHaveLength(1));
    clock.advance(FIRST_RETRY_MS);
    taken.close();
    await vi.waitFor(() => {
      clock.advance(HOUR);
      expect(admin.told.map(({ type }) => type)).toEqual(['admin_failed', 'admin_listening']);
    });
    expect(await ask({ port }, '/livez')).toMatchObject({ status: 200 });
  });

  test('of a Unix socket that is removed is reported and put back', async () => {
    const clock = new ManualClock();
    await using admin = await serving({ clock });
    await rm((admin.to as { socketPath: string }).socketPath);
    clock.advance(LOOK_MS);
    await vi.waitFor(() => expect(admin.told).toHaveLength(3));
    expect(admin.told.slice(1)).toEqual([
      expect.objectContaining({ type: 'admin_failed', reason: 'it was removed' }),
      expect.objectContaining({ type: 'admin_listening' }),
    ]);
    expect((await admin.get('/livez')).status).toBe(200);
  });

  test('of a Unix socket that is taken is reported, too', async () => {
    await using first = await serving();
    const { socketPath } = first.to as { socketPath: string };
    await using second = await serving({ admin: () => ({ listen: `unix://${socketPath}` }) });
    expect(second.told).toEqual([
      expect.objectContaining({ type: 'admin_failed', reason: expect.stringMatching(/another process answers there/) }),
    ]);
  });

  test('that is empty means none, and is no failure', async () => {
    await using admin = await serving({ admin: () => ({ listen: '' }) });
    expect(admin.told).toEqual([]);
  });

  test('of a Unix socket has the mode of the SDS socket, and is gone when it is closed', async () => {
    await using admin = await serving();
    const { socketPath } = admin.to as { socketPath: string };
    expect((await stat(socketPath)).mode & 0o777).toBe(0o660);
    await admin.api?.close();
    await expect(stat(socketPath)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('a client', () => {
  test('that keeps its connection is not waited for when it is closed', async () => {
    await using admin = await serving();
    const idle = connect((admin.to as { socketPath: string }).socketPath).on('error', () => undefined);
    await once(idle, 'connect');
    const closed = once(idle.resume(), 'close');
    await admin.get('/livez');
    await admin.api?.close();
    await closed;
  });

  test.for([
    ['silent', ''],
    ['slow', 'GET /livez HTTP/1.1\r\nhost: lo'],
    ['kept alive', 'GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n'],
  ] as const)('with 32 %s connections does not keep a probe out', async ([_, bytes]) => {
    await using admin = await serving();
    const { socketPath } = admin.to as { socketPath: string };
    const sockets = Array.from({ length: 32 }, () => connect(socketPath).on('error', () => undefined));
    for (const socket of sockets) socket.write(bytes);
    await Promise.all(sockets.map((socket) => once(socket, bytes.endsWith('\r\n\r\n') ? 'data' : 'connect')));
    const oldest = once(sockets[0]?.resume() as Socket, 'close');
    expect((await admin.get('/livez')).status).toBe(200);
    await oldest;
    for (const socket of sockets) socket.destroy();
  });

  test('loses its oldest connections when it opens too many', async () => {
    await using admin = await serving();
    const { socketPath } = admin.to as { socketPath: string };
    const sockets = Array.from({ length: 40 }, () =>
      connect(socketPath)
        .on('error', () => undefined)
        .resume(),
    );
    const closed: number[] = [];
    for (const [number, socket] of sockets.entries()) socket.once('close', () => closed.push(number));
    await eventually('eight of them closed', async () => closed.length === 8 || undefined);
    expect(closed.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    for (const socket of sockets) socket.destroy();
  });
});
