/** What OpenTelemetry gets from the spiffe-sds of a node: whose each trace and log record is, few labels, and no key. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type NodeProcess, startNodeProcess } from '../../support/node/node-process.ts';
import { OtlpReceiver } from '../../support/telemetry/otlp-receiver.ts';

const WEB = 'spiffe://example.org/web';
const API = 'spiffe://example.org/api';
const NAMES = { [WEB]: '4001', [API]: '4002' } as const;
const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn('SKIPPED: test/integration/node/otlp.test.ts needs root, to be several users');

describe.runIf(isRoot)('what a collector gets after a rotation of two workloads', () => {
  let stack: AsyncDisposableStack;
  let collector: OtlpReceiver;
  let node: NodeProcess;
  let keys: readonly Uint8Array[];
  let pids: Readonly<Record<string, number>>;
  beforeAll(async () => {
    stack = new AsyncDisposableStack();
    collector = stack.use(await OtlpReceiver.open({ protocol: 'grpc' }));
    node = stack.use(
      await startNodeProcess({
        identities: [
          { path: '/web', of: { uid: 4001 } },
          { path: '/api', of: { uid: 4002 } },
        ],
        configuration: { telemetry: { otlp: { endpoint: collector.endpoint, protocol: 'grpc', logs: true } } },
      }),
    );
    // Two processes of one user have one identity: no more labels.
    const peers = [node.peer(4001), node.peer(4001), node.peer(4002)];
    pids = { '4001': peers[0]?.pid ?? 0, '4002': peers[2]?.pid ?? 0 };
    for (const peer of peers) await peer.next();
    const before = [WEB, API].map((id) => node.workloadApi.privateKey(id));
    await node.workloadApi.rotate();
    for (const peer of peers) await peer.next();
    keys = [...before, ...[WEB, API].map((id) => node.workloadApi.privateKey(id))];
    // It hands over all that it has.
    await node.sidecar.stop();
  }, 30_000);
  afterAll(() => stack.disposeAsync());

  test.each(Object.entries(NAMES))('a trace of %s says which workload it is about, and shows its push', (id, uid) => {
    const spans = collector.items('traces');
    const rotations = spans.filter(({ events }) =>
      events.some(({ name, attributes }) => name === 'svid_rotated' && attributes['spiffe.id'] === id),
    );
    expect(rotations.map(({ attributes }) => attributes['workload.uid'])).toEqual(rotations.map(() => uid));
    const ofWorkload = rotations.filter(({ attributes }) => attributes['workload.pid'] === String(pids[uid]));
    expect(ofWorkload).toHaveLength(1);
    const children = spans.filter(({ parent_span_id }) => parent_span_id === ofWorkload[0]?.span_id);
    expect(children.map(({ name }) => name).sort()).toEqual(['sds.push', 'secrets.update']);
    expect(children.find(({ name }) => name === 'sds.push')?.attributes).toMatchObject({
      'secret.name': 'default',
      'peer.uid': uid,
      'peer.pid': String(pids[uid]),
    });
  });

  test.each(Object.entries(NAMES))('a log record of %s says which workload it is about', (id, uid) => {
    const records = collector
      .items('logs')
      .filter(({ event_name, attributes }) => event_name === 'svid_rotated' && attributes['id'] === id);
    expect(records.map(({ attributes }) => attributes['workload'])).toContainEqual(
      expect.objectContaining({ uid: Number(uid), pid: pids[uid] }),
    );
    expect(records[0]?.body).toContain(`(workload of uid ${uid}, pid `);
  });

  test('no label of a metric is a process or a user', () => {
    const metrics = collector.items('metrics');
    expect(metrics.map(({ name }) => name)).toContain('spiffe.sds.workloads');
    const points = metrics.flatMap(({ gauge, sum, histogram }) => [gauge, sum, histogram].flatMap((kind) => kind?.points ?? []));
    const labels = new Set(points.flatMap((point) => Object.keys((point as { attributes: object }).attributes)));
    expect([...labels].filter((label) => /pid|uid|workload/.test(label))).toEqual([]);
  });

  test('an identity has one series, however many processes have it', () => {
    const rotation = collector.items('metrics').findLast(({ name }) => name === 'spiffe.svid.rotation');
    const ids = (rotation?.sum?.points ?? []).map(
      (point) => (point as { attributes: Record<string, string> }).attributes['spiffe.id'],
    );
    expect(ids.sort()).toEqual([API, 'spiffe://example.org/spiffe-sds', WEB].sort());
  });

  test('no private key is in any of it', () => {
    const all = JSON.stringify(collector.received);
    expect(all).toContain(WEB);
    expect(all).not.toContain('PRIVATE KEY');
    for (const key of keys) {
      const scalar = Buffer.from(key.slice(36, 68));
      for (const encoding of ['hex', 'base64', 'base64url'] as const)
        expect(all).not.toContain(scalar.toString(encoding).slice(0, 40));
    }
  });
});
