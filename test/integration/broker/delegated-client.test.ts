/** What an agent says by its admin socket, and how it refuses: as seen on SPIRE 1.16. */
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import type { JWTBundlesResponse, X509SVIDResponse } from '../../../src/gen/messages.ts';
import { Following, idsOf, next, OWN, PROCESSES } from '../../support/broker/asked-broker.ts';
import { type DelegatedAgentOptions, delegatedAgent } from '../../support/broker/delegated-agent.ts';

const WEB = { path: '/web', of: { uid: 101 }, hint: 'internal' };
const API = { path: '/api', of: { uid: 102 } };
const asked = (more: Partial<DelegatedAgentOptions> = {}) =>
  delegatedAgent({
    identities: [WEB, API],
    processes: PROCESSES,
    ...more,
  });
const of = (pid: number) => ({ kind: 'pid', pid }) as const;

test('each workload gets its own identities and hints, and those alone', async () => {
  await using stage = await asked();
  const web = await next(stage.source.workload(of(11)).fetchX509Svid);
  expect(web).toMatchObject({ svids: [{ spiffe_id: 'spiffe://example.org/web', hint: 'internal' }] });
  expect(idsOf(await next(stage.source.workload(of(12)).fetchX509Svid))).toEqual(['spiffe://example.org/api']);
});

test('the bundles of federated trust domains come with them', async () => {
  await using stage = await asked({ federated: ['partner.test'] });
  const { federated_bundles } = (await next(stage.source.workload(of(11)).fetchX509Svid)) as X509SVIDResponse;
  expect(Object.keys(federated_bundles)).toEqual(['spiffe://partner.test']);
});

test('a workload without an entry gets a message without SVIDs, and its identity when there is an entry', async () => {
  await using stage = await asked();
  using call = new Following(stage.source.workload(of(13)).fetchX509Svid);
  expect(idsOf(await call.next())).toEqual([]);
  await stage.workloadApi.setIdentities([OWN, WEB, API, { path: '/new', of: { uid: 103 } }]);
  expect(idsOf(await call.next())).toEqual(['spiffe://example.org/new']);
});

test('all workloads share one stream of bundles, which ends with the last of them', async () => {
  await using stage = await asked();
  const first = new Following(stage.source.workload(of(11)).fetchX509Svid);
  const second = new Following(stage.source.workload(of(12)).fetchX509Svid);
  await first.next();
  await second.next();
  expect([stage.agent.subscriptions, stage.agent.bundleStreams]).toEqual([2, 1]);
  first[Symbol.dispose]();
  second[Symbol.dispose]();
  using third = new Following(stage.source.workload(of(11)).fetchX509Svid);
  await third.next();
  expect([stage.agent.subscriptions, stage.agent.bundleStreams]).toEqual([1, 1]);
});

test('a process that cannot be attested is UNAVAILABLE, and the connection of the others stays', async () => {
  await using stage = await asked();
  using web = new Following(stage.source.workload(of(11)).fetchX509Svid);
  await web.next();
  expect(await next(stage.source.workload(of(99)).fetchX509Svid)).toEqual({
    code: status.UNAVAILABLE,
    details: 'workload attestation failed',
  });
  await stage.workloadApi.rotate();
  expect(idsOf(await web.next())).toEqual(['spiffe://example.org/web']);
});

test('who is no authorized delegate is denied, also when it was one', async () => {
  await using stage = await asked();
  using web = new Following(stage.source.workload(of(11)).fetchX509Svid);
  await web.next();
  await stage.workloadApi.setIdentities([{ path: '/somebody' }, WEB, API]);
  const denied = { code: status.PERMISSION_DENIED, details: 'caller not configured as an authorized delegate' };
  expect(await web.next()).toEqual(denied);
  expect(await next(stage.source.workload(of(12)).fetchX509Svid)).toEqual(denied);
});

test('who has no identity itself is denied', async () => {
  await using stage = await asked();
  await stage.workloadApi.setIdentities([WEB, API]);
  expect(await next(stage.source.workload(of(11)).fetchX509Svid)).toEqual({
    code: status.PERMISSION_DENIED,
    details: 'no identity issued',
  });
});

test.each([
  ['neither', {}],
  ['both', { pid: 11, selectors: [{ type: 'unix', value: 'uid:101' }] }],
])('selectors or a pid: %s is malformed', async (_, request) => {
  await using stage = await asked();
  expect(await next(stage.client.fetch('SubscribeToX509SVIDs', request))).toMatchObject({ code: status.INVALID_ARGUMENT });
});

test('selectors are believed', async () => {
  await using stage = await asked();
  const selectors = [{ type: 'unix', value: 'uid:102' }];
  expect(await next(stage.client.fetch('SubscribeToX509SVIDs', { selectors }))).toMatchObject({
    x509_svids: [{ x509_svid: { id: { trust_domain: 'example.org', path: '/api' } } }],
  });
});

test('tokens and their keys are those of the workload', async () => {
  await using stage = await asked();
  const api = stage.source.workload(of(11));
  const { bundles } = (await next(api.fetchJwtBundles)) as JWTBundlesResponse;
  expect(Object.keys(bundles)).toEqual(['spiffe://example.org']);
  const request = { audience: ['payments'], spiffe_id: 'spiffe://example.org/web' };
  expect(await next(api.fetchJwtSvid(request))).toMatchObject({
    svids: [{ spiffe_id: 'spiffe://example.org/web', hint: 'internal' }],
  });
});

test('after a restart of the agent the next call finds it', async () => {
  await using stage = await asked();
  const { fetchX509Svid } = stage.source.workload(of(11));
  using call = new Following(fetchX509Svid);
  await call.next();
  await stage.agent.close();
  expect(await call.next()).toMatchObject({ code: status.UNAVAILABLE });
  expect(await next(fetchX509Svid)).toMatchObject({ code: status.UNAVAILABLE, details: expect.stringContaining('ENOENT') });
  await using _again = await stage.restart();
  expect(idsOf(await next(fetchX509Svid))).toEqual(['spiffe://example.org/web']);
});
