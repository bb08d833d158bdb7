import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import {
  type AskedBrokerOptions,
  askedBroker,
  Following,
  idsOf,
  next,
  OWN,
  PROCESSES,
} from '../../support/broker/asked-broker.ts';

const WEB = { path: '/web', of: { uid: 101 } };
const API = { path: '/api', of: { uid: 102 } };
const asked = (more: Partial<AskedBrokerOptions> = {}) =>
  askedBroker({
    identities: [WEB, API],
    processes: PROCESSES,
    ...more,
  });

test('each workload gets its own identities, and those alone', async () => {
  await using stage = await asked();
  const of = (pid: number) => next(stage.client.workload({ kind: 'pid', pid }).fetchX509Svid);
  expect(idsOf(await of(11))).toEqual(['spiffe://example.org/web']);
  expect(idsOf(await of(12))).toEqual(['spiffe://example.org/api']);
});

test('a workload without an entry gets a message without SVIDs, and its identity when there is an entry', async () => {
  await using stage = await asked();
  using call = new Following(stage.client.workload({ kind: 'pid', pid: 13 }).fetchX509Svid);
  expect(idsOf(await call.next())).toEqual([]);
  await stage.workloadApi.setIdentities([OWN, WEB, API, { path: '/new', of: { uid: 103 } }]);
  expect(idsOf(await call.next())).toEqual(['spiffe://example.org/new']);
});

test('a process that is not there is not found', async () => {
  await using stage = await asked();
  expect(await next(stage.client.workload({ kind: 'pid', pid: 99 }).fetchX509Svid)).toMatchObject({ code: status.NOT_FOUND });
});

test('a pod is known by its uid, and has its own identities alone', async () => {
  const uid = '0f0e0d0c-0b0a-0908-0706-050403020100';
  await using stage = await asked({ identities: [WEB, { path: '/pod', of: { pod: uid } }] });
  const of = (pod: string) => next(stage.client.workload({ kind: 'pod', uid: pod }).fetchX509Svid);
  expect(idsOf(await of(uid))).toEqual(['spiffe://example.org/pod']);
  expect(idsOf(await of(uid.replace('0f', '1f')))).toEqual([]);
});

test('a reference to no pod is malformed', async () => {
  await using stage = await asked();
  const fetch = stage.client.workload({ kind: 'pod', uid: '' }).fetchX509Svid;
  expect(await next(fetch)).toMatchObject({ code: status.INVALID_ARGUMENT });
});

test('bundles, tokens and their keys are those of the workload', async () => {
  await using stage = await asked();
  const api = stage.client.workload({ kind: 'pid', pid: 11 });
  expect(Object.keys(((await next(api.fetchX509Bundles)) as { bundles: object }).bundles)).toEqual(['spiffe://example.org']);
  expect(Object.keys(((await next(api.fetchJwtBundles)) as { bundles: object }).bundles)).toEqual(['spiffe://example.org']);
  expect(await next(api.fetchJwtSvid({ audience: ['payments'], spiffe_id: '' }))).toMatchObject({
    svids: [{ spiffe_id: 'spiffe://example.org/web' }],
  });
});

test('another server than the agent is refused, and the reason names it', async () => {
  await using stage = await asked({ path: '/impostor' });
  const ended = await next(stage.client.workload({ kind: 'pid', pid: 11 }).fetchX509Svid);
  expect(ended).toMatchObject({
    code: status.UNAVAILABLE,
    details:
      'this is not the broker: it is spiffe://example.org/impostor, not spiffe://example.org/spire/agent/* (broker.server_id)',
  });
});

test('a server ID that was configured is the one that is admitted', async () => {
  await using stage = await asked({ path: '/brokers/one', serverId: 'spiffe://example.org/brokers/*' });
  expect(idsOf(await next(stage.client.workload({ kind: 'pid', pid: 11 }).fetchX509Svid))).toHaveLength(1);
});

test('a broker that does not admit us is unavailable', async () => {
  await using stage = await asked({ admits: ['spiffe://example.org/other'] });
  expect(await next(stage.client.workload({ kind: 'pid', pid: 11 }).fetchX509Svid)).toMatchObject({ code: status.UNAVAILABLE });
});

test('without an identity of our own nothing is asked', async () => {
  await using stage = await asked();
  stage.own = { ...stage.own, svids: [] };
  expect(await next(stage.client.workload({ kind: 'pid', pid: 11 }).fetchX509Svid)).toMatchObject({ code: status.UNAVAILABLE });
  expect(stage.broker.subscriptions).toBe(0);
});

test('a new SVID of our own ends no stream, and later calls show it', async () => {
  await using stage = await asked();
  using first = new Following(stage.client.workload({ kind: 'pid', pid: 11 }).fetchX509Svid);
  await first.next();
  await stage.workloadApi.rotate();
  expect(idsOf(await first.next())).toEqual(['spiffe://example.org/web']);
  await stage.renewOwn();
  using second = new Following(stage.client.workload({ kind: 'pid', pid: 12 }).fetchX509Svid);
  expect(idsOf(await second.next())).toEqual(['spiffe://example.org/api']);
  expect(stage.broker.subscriptions).toBe(2);
  await stage.workloadApi.rotate();
  expect(idsOf(await first.next())).toEqual(['spiffe://example.org/web']);
});

test('after a restart of the broker the next call finds it', async () => {
  await using stage = await asked();
  const { fetchX509Svid } = stage.client.workload({ kind: 'pid', pid: 11 });
  using call = new Following(fetchX509Svid);
  await call.next();
  await stage.broker.close();
  expect(await call.next()).toMatchObject({ code: status.UNAVAILABLE });
  await using _again = await stage.startBroker();
  expect(idsOf(await next(fetchX509Svid))).toEqual(['spiffe://example.org/web']);
});
