/** /v1/jwks/<trust domain>, on its own socket and beside the admin API. */
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startAdmin } from '../../../src/admin/admin-server.ts';
import { startJwksServer } from '../../../src/admin/jwks-server.ts';
import { systemClock } from '../../../src/clock.ts';
import type { Event } from '../../../src/events.ts';
import { eventually } from '../../support/eventually.ts';
import { ask, type Reply } from '../../support/sidecar/admin.ts';
import { type Running, startRunning } from '../../support/sidecar/sidecar.ts';

const PATH = '/v1/jwks/example.org';
let parts: AsyncDisposableStack;
let running: Running;
let socketPath: string;
const events: Event[] = [];

beforeEach(async () => {
  parts = new AsyncDisposableStack();
  running = parts.use(await startRunning({ identities: [{ path: '/web' }], federated: ['partner.test'] }));
  socketPath = join(dirname(running.socket), 'jwks.sock');
  const { configuration } = running.loaded;
  const options = {
    configuration: { ...configuration, jwks: { listen: { kind: 'unix', path: socketPath } as const } },
    jwtBundles: running.sidecar.jwtBundles,
    clock: systemClock,
    events: (event: Event) => void events.push(event),
  };
  const server = await startJwksServer(options);
  parts.defer(() => server?.close());
});
afterEach(() => parts.disposeAsync());

const get = (path: string, headers: Record<string, string> = {}): Promise<Reply> => ask({ socketPath }, path, { headers });
const keysIn = ({ body }: Reply): readonly { kid: string }[] => JSON.parse(body).keys;

describe('the keys of a trust domain', () => {
  test('verify the tokens of its workloads, and no others', async () => {
    const reply = await get(PATH);
    expect([reply.status, reply.headers['content-type']]).toEqual([200, 'application/json']);
    const token = await running.workloadApi.issueJwt('/web', ['payments']);
    await expect(jwtVerify(token, createLocalJWKSet(JSON.parse(reply.body)), { audience: 'payments' })).resolves.toBeDefined();
    const partner = createLocalJWKSet(JSON.parse((await get('/v1/jwks/partner.test')).body));
    await expect(jwtVerify(token, partner)).rejects.toThrow();
  });

  test('of a federated trust domain are there', async () => {
    expect(keysIn(await get('/v1/jwks/partner.test'))).toHaveLength(1);
  });

  test('of another are 404', async () => {
    expect((await get('/v1/jwks/unknown.test')).status).toBe(404);
  });

  test('are 404 once the trust domain is taken away, never an empty set', async () => {
    await get('/v1/jwks/partner.test');
    await running.workloadApi.unfederate('partner.test');
    await running.event('jwt_bundle_withdrawn');
    expect((await get('/v1/jwks/partner.test')).status).toBe(404);
  });

  test('are 404 once this workload may not have them', async () => {
    await get(PATH);
    running.workloadApi.deny();
    await eventually('404', async () => ((await get(PATH)).status === 404 ? true : undefined));
  });

  test('have the new one beside the old one in a rotation', async () => {
    const [before] = keysIn(await get(PATH));
    await running.workloadApi.prepareAuthority();
    const keys = await eventually('both keys', async () => {
      const found = keysIn(await get(PATH));
      return found.length === 2 ? found : undefined;
    });
    expect(keys.map(({ kid }) => kid)).toContain(before?.kid);
  });
});

describe('a client that has them', () => {
  test('learns from the ETag that they are the same', async () => {
    const { headers } = await get(PATH);
    const again = await get(PATH, { 'if-none-match': `"other", W/${headers['etag']}` });
    expect([again.status, again.body, again.headers['etag']]).toEqual([304, '', headers['etag']]);
  });

  test('gets the new ones when they are others', async () => {
    const { headers } = await get(PATH);
    await running.workloadApi.prepareAuthority();
    const after = await eventually('new keys', async () => {
      const reply = await get(PATH, { 'if-none-match': String(headers['etag']) });
      return reply.status === 200 ? reply : undefined;
    });
    expect(after.headers['etag']).not.toBe(headers['etag']);
  });

  test('is to ask again soon after a change', async () => {
    expect((await get(PATH)).headers['cache-control']).toBe('public, max-age=5');
  });

  test('may not keep the answer about an unknown trust domain', async () => {
    expect((await get('/v1/jwks/unknown.test')).headers['cache-control']).toBe('no-store');
  });
});

describe('the socket', () => {
  test('serves nothing else', async () => {
    for (const path of ['/', '/v1/status', '/metrics', '/readyz', '/v1/jwks', '/v1/jwks/', '/v1/jwks/../status', '/v1/jwks/a/b'])
      expect([path, (await get(path)).status]).toEqual([path, 404]);
  });

  test('only reads', async () => {
    expect((await ask({ socketPath }, PATH, { method: 'POST' })).status).toBe(405);
  });

  test('has the mode of the SDS socket', async () => {
    expect((await stat(socketPath)).mode & 0o777).toBe(0o660);
  });

  test('whose path is taken is tried again, and the sidecar goes on', async () => {
    const { configuration } = running.loaded;
    const told: Event[] = [];
    const taken = await startJwksServer({
      configuration: { ...configuration, jwks: { listen: { kind: 'unix', path: running.socket } } },
      jwtBundles: running.sidecar.jwtBundles,
      clock: systemClock,
      events: (event) => void told.push(event),
    });
    await taken?.close();
    expect(told).toEqual([expect.objectContaining({ type: 'jwks_failed', reason: expect.stringContaining('jwks.listen') })]);
  });
});

test('the admin API has them, too', async () => {
  const adminSocket = join(dirname(running.socket), 'admin.sock');
  const { configuration } = running.loaded;
  const admin = await startAdmin({
    configuration: { ...configuration, admin: { ...configuration.admin, listen: { kind: 'unix', path: adminSocket } } },
    loaded: () => running.loaded,
    observed: running.observed,
    sidecar: running.sidecar,
    metrics: () => undefined,
    clock: systemClock,
    events: () => undefined,
  });
  const reply = await ask({ socketPath: adminSocket }, PATH);
  await admin?.close();
  expect(reply.body).toBe((await get(PATH)).body);
});
