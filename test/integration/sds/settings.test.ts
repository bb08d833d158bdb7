/** What the operator changes while the sidecar runs, and who sees it. */
import { describe, expect, test } from 'vitest';
import type { Secret } from '../../../src/gen/messages.ts';
import { SdsClient, type SdsStream } from '../../support/sds/sds-client.ts';
import { trustIn } from '../../support/secrets/secret-content.ts';
import { type Running, startRunning } from '../../support/sidecar/sidecar.ts';

const WEB = 'spiffe://example.org/web';
const API = 'spiffe://example.org/api';
const TWO = { identities: [{ path: '/web' }, { path: '/api', hint: 'internal' }], federated: ['partner.test'] };

async function subscribed(running: Running, ...names: readonly string[]): Promise<SdsStream> {
  const stream = running.client.stream().request(names);
  await stream.secrets();
  return stream;
}

const next = async (stream: SdsStream): Promise<Secret | undefined> => (await stream.secrets())[0];
const formOf = (secret: Secret | undefined) => trustIn(secret).by;

describe('names', () => {
  test('that are given now are served to who waits for them', async () => {
    await using running = await startRunning(TWO);
    const stream = running.client.stream().request(['mine']);
    await running.event('names_held');
    running.configure('names: { default_svid: mine }');
    expect((await next(stream))?.name).toBe('mine');
  });

  test('of a preset are served', async () => {
    await using running = await startRunning(TWO);
    const stream = running.client.stream().request(['sds://default', 'sds://ROOTCA']);
    await running.event('names_held');
    running.configure('names: { preset: istio }');
    expect((await stream.secrets()).map(({ name }) => name)).toEqual(['sds://default', 'sds://ROOTCA']);
  });

  test('can mean another bundle from now on', async () => {
    await using running = await startRunning(TWO);
    const stream = await subscribed(running, 'ROOTCA');
    running.configure('names: { preset: istio-federation }');
    const trust = trustIn(await next(stream));
    expect(trust.by === 'spiffe' && trust.trustDomains.map(([name]) => name)).toEqual(['example.org', 'partner.test']);
  });

  test('that end are not served to new subscribers, and stay with those that have them', async () => {
    await using running = await startRunning(TWO);
    const before = await subscribed(running, 'default');
    running.configure('names: { default_svid: "" }');
    const after = running.client.stream().request(['default', 'ROOTCA']);
    expect((await after.secrets()).map(({ name }) => name)).toEqual(['ROOTCA']);
    expect(before.waiting).toBe(0);
  });
});

describe('secrets of the operator', () => {
  const partners = (rest: string) =>
    `secrets: [{ name: partners, validation: { trust_domains: [partner.test]${rest} } }, { name: mine, svid: { hint: internal } }]`;

  test('are served to who waits for them', async () => {
    await using running = await startRunning(TWO);
    const stream = running.client.stream().request(['partners', 'mine']);
    await running.event('names_held');
    running.configure(partners(''));
    expect((await stream.secrets()).map(({ name }) => name)).toEqual(['partners', 'mine']);
  });

  test('take another form and other matchers while they are served', async () => {
    await using running = await startRunning(TWO, partners(''));
    const stream = await subscribed(running, 'partners');
    running.configure(partners(', mode: trusted_ca, match: [{ regex: "spiffe://partner\\\\.test/.*" }]'));
    const secret = await next(stream);
    expect([formOf(secret), secret?.validation_context?.match_typed_subject_alt_names]).toEqual([
      'trusted_ca',
      [expect.objectContaining({ matcher: expect.objectContaining({ safe_regex: { regex: 'spiffe://partner\\.test/.*' } }) })],
    ]);
  });

  test('by hint follow the Workload API: another SVID gets the hint, then none has it', async () => {
    await using running = await startRunning(TWO, partners(''));
    const stream = await subscribed(running, 'mine');
    await running.workloadApi.setIdentities([{ path: '/web', hint: 'internal' }, { path: '/api' }]);
    const web = await subscribed(running, WEB);
    const [mine, its] = [await next(stream), web];
    expect(mine?.name).toBe('mine');
    await running.workloadApi.setIdentities([{ path: '/web' }]);
    await running.event('svid_withdrawn');
    expect([stream.waiting, its.waiting]).toEqual([0, 0]);
  });
});

describe('the form of validation contexts', () => {
  test('changes for those who have one, and for nobody else', async () => {
    await using running = await startRunning(TWO);
    const certificate = await subscribed(running, WEB);
    const bundle = await subscribed(running, 'ROOTCA');
    running.configure('validation: { mode: trusted_ca }');
    expect([formOf(await next(bundle)), certificate.waiting]).toEqual(['trusted_ca', 0]);
  });

  test('stays for an Envoy that has asked for its own', async () => {
    await using running = await startRunning(TWO);
    const node = { metadata: { fields: { disable_spiffe_cert_validation: { bool_value: true } } } };
    const plain = running.client.stream().request(['ROOTCA'], { node });
    await plain.secrets();
    const bundle = await subscribed(running, 'ROOTCA');
    running.configure('validation: { mode: trusted_ca }');
    await next(bundle);
    expect(plain.waiting).toBe(0);
  });
});

describe('limits', () => {
  test('of names count for the next request', async () => {
    await using running = await startRunning(TWO);
    await subscribed(running, WEB, API);
    running.configure('sds: { limits: { names_per_stream: 1 } }');
    expect(await running.client.stream().request([WEB, API]).ended()).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
  });

  test('of a request count for new connections; those that are open keep theirs', async () => {
    await using running = await startRunning(TWO);
    await subscribed(running, WEB);
    running.configure('sds: { limits: { request_bytes: 1KiB } }');
    const large = { node: { id: 'x'.repeat(2048) } };
    using fresh = new SdsClient(running.socket);
    expect(await fresh.stream().request([WEB], large).ended()).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    expect(await running.client.stream().request([WEB], large).secrets()).toHaveLength(1);
  });

  test('of connections count for the next one', async () => {
    await using running = await startRunning(TWO);
    const open = await subscribed(running, WEB);
    running.configure('sds: { limits: { connections: 1 } }');
    using fresh = new SdsClient(running.socket);
    const refused = fresh.stream().request([WEB]);
    expect([await refused.ended(), await running.event('connection_refused')]).toMatchObject([
      { code: 'UNAVAILABLE' },
      { limit: 1 },
    ]);
    await running.workloadApi.rotate();
    expect(await open.secrets()).toHaveLength(1);
  });
});

test('whether an empty request is answered changes for the next stream', async () => {
  await using running = await startRunning(TWO);
  running.configure('names: { answer_empty_request: false }');
  const empty = running.client.stream().request([]);
  await subscribed(running, WEB);
  expect(empty.waiting).toBe(0);
});

test('what a denial means is what is configured when it comes', async () => {
  await using running = await startRunning(TWO, 'on_permission_denied: keep');
  const stream = await subscribed(running, 'ROOTCA');
  running.workloadApi.deny();
  await running.event('workload_api_lost');
  const kept = stream.waiting;
  running.configure('on_permission_denied: withdraw');
  expect([kept, formOf(await next(stream))]).toEqual([0, 'spiffe']);
  expect(await running.event('trust_domain_distrusted')).toMatchObject({ trustDomain: 'example.org' });
});

test('a configuration that changes nothing reaches no stream', async () => {
  await using running = await startRunning(TWO);
  const streams = await Promise.all(
    [WEB, 'default', 'ROOTCA', 'ALL', 'spiffe://partner.test'].map((name) => subscribed(running, name)),
  );
  running.configure('');
  running.configure('names: { preset: istio }');
  const last = await subscribed(running, 'sds://ALL');
  expect([...streams, last].map(({ waiting }) => waiting)).toEqual(Array(6).fill(0));
});
