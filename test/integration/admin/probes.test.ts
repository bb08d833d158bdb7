/** The listener that the cluster may reach: it says whether, and nothing else. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { ask, type Serving, serving } from '../../support/sidecar/admin.ts';

const METRICS = () => ({ contentType: 'text/plain', text: 'a_metric 1\n' });

/** All addresses of this machine are loopback's to the test. */
const probing = (port: number, more: object = {}) =>
  serving({
    metrics: METRICS,
    admin: (folder) => ({ listen: `unix://${folder}/admin.sock`, probes: `127.0.0.1:${port}`, ...more }),
  });

describe('admin.probes', () => {
  let port: number;
  let admin: Serving;
  beforeAll(async () => {
    port = await freePort();
    admin = await probing(port);
    await eventually('readiness', async () => (await ask({ port }, '/readyz')).status === 200 || undefined);
  });
  afterAll(() => admin[Symbol.asyncDispose]());

  test.for(['/livez', '/readyz', '/startupz'])('answers %s, also as a kubelet asks: by the address of the pod', async (path) => {
    expect(await ask({ port }, path, { headers: { host: '10.0.0.7:8083' } })).toMatchObject({ status: 200, body: 'ok\n' });
  });

  test.for(['/', '/v1/status', '/metrics'])('has no %s', async (path) => {
    const { status, body } = await ask({ port }, path);
    expect(status).toBe(404);
    expect(body).not.toMatch(/as JSON|Prometheus|spiffe:/);
  });

  test('gives no reason, not even when asked to be verbose', async () => {
    expect((await ask({ port }, '/readyz?verbose')).body).toBe('ok\n');
    admin.running.workloadApi.deny();
    const { body } = await eventually('a failed probe', async () => {
      const reply = await ask({ port }, '/readyz?verbose');
      return reply.status === 503 ? reply : undefined;
    });
    expect(body).toBe('readyz check failed: the log, spiffe-sds status --ready and the admin API tell why\n');
  });

  test('is announced beside the admin API', () => {
    expect(admin.told).toContainEqual({ type: 'admin_listening', part: 'probes', address: `127.0.0.1:${port}` });
    expect(admin.told).toContainEqual(expect.objectContaining({ type: 'admin_listening', part: 'api' }));
  });
});

test('admin.probes_metrics adds the metrics, and nothing else', async () => {
  const port = await freePort();
  await using _ = await probing(port, { probes_metrics: true });
  expect(await ask({ port }, '/metrics')).toMatchObject({ status: 200, body: 'a_metric 1\n' });
  expect((await ask({ port }, '/v1/status')).status).toBe(404);
});

test('probes are answered without an admin API, too', async () => {
  const port = await freePort();
  await using _ = await probing(port, { listen: '' });
  expect((await ask({ port }, '/livez')).status).toBe(200);
});

test('an address that is taken is reported with the setting to change', async () => {
  const port = await freePort();
  await using _ = await probing(port);
  await using second = await probing(port);
  expect(second.told).toContainEqual(
    expect.objectContaining({ type: 'admin_failed', part: 'probes', reason: expect.stringMatching(/EADDRINUSE.*admin\.probes/) }),
  );
});
