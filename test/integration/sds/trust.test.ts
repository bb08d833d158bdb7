/** Trust that follows the trust domain, over real sockets: from a Workload API's word to what a subscriber gets. */
import { describe, expect, test } from 'vitest';
import type { Secret } from '../../../src/gen/messages.ts';
import type { SdsStream } from '../../support/sds/sds-client.ts';
import { revocationsIn, type Trust, trustIn } from '../../support/secrets/secret-content.ts';
import { type Running, startRunning } from '../../support/sidecar/sidecar.ts';

const WEB = 'spiffe://example.org/web';
const OWN = 'spiffe://example.org';
const PARTNER = 'spiffe://partner.test';
const ONE = { identities: [{ path: '/web' }] };
const FEDERATED = { ...ONE, federated: ['partner.test'] };
const OLD_ENVOY = {
  user_agent_name: 'envoy',
  user_agent_build_version: { version: { major_number: 1, minor_number: 17, patch: 0 } },
};

/** By trust domain; '' in plain form. */
function authoritiesIn(secret: Secret | undefined): Readonly<Record<string, readonly string[]>> {
  const trust: Trust = trustIn(secret);
  if (trust.by === 'nothing') throw new Error('Envoy would take this context as open');
  return trust.by === 'spiffe' ? Object.fromEntries(trust.trustDomains) : { '': trust.cas };
}

/** Subscribes to one name, as Envoy does, and takes what there is. */
async function subscribed(running: Running, name: string, node = {}): Promise<{ stream: SdsStream; secret: Secret | undefined }> {
  const stream = running.client.stream().request([name], { node });
  const [secret] = await stream.secrets();
  return { stream, secret };
}

const next = async (stream: SdsStream) => (await stream.secrets())[0];
const pushes = ({ events }: Running) => events.filter(({ type }) => type === 'secrets_pushed').length;

describe('federation', () => {
  test('is live: a trust domain that joins is there under its own name and under that of all', async () => {
    await using running = await startRunning(ONE);
    const { stream } = await subscribed(running, 'ALL');
    const waiting = running.client.stream().request([PARTNER]);
    await running.workloadApi.federate('partner.test');
    expect(Object.keys(authoritiesIn(await next(stream)))).toEqual(['example.org', 'partner.test']);
    expect(Object.keys(authoritiesIn(await next(waiting)))).toEqual(['partner.test']);
  });

  test('that ends removes the trust domain from all contexts, and replaces its own by one that trusts nobody', async () => {
    await using running = await startRunning(FEDERATED);
    const all = await subscribed(running, 'ALL');
    const its = await subscribed(running, PARTNER);
    await running.workloadApi.unfederate('partner.test');
    expect(Object.keys(authoritiesIn(await next(all.stream)))).toEqual(['example.org']);
    const after = authoritiesIn(await next(its.stream));
    expect(Object.keys(after)).toEqual(['partner.test']);
    expect(after['partner.test']).not.toEqual(authoritiesIn(its.secret)['partner.test']);
    expect(await running.event('trust_domain_distrusted')).toMatchObject({ trustDomain: 'partner.test' });
  });

  test('that begins again restores the contexts', async () => {
    await using running = await startRunning(FEDERATED);
    const { stream, secret } = await subscribed(running, PARTNER);
    await running.workloadApi.unfederate('partner.test');
    await next(stream);
    await running.workloadApi.federate('partner.test');
    expect(await next(stream)).toEqual(secret);
  });

  test('with a broken bundle leaves that one out, says so, and serves the rest', async () => {
    await using running = await startRunning(ONE);
    const { stream } = await subscribed(running, 'ALL');
    running.workloadApi.send((response) => ({
      ...response,
      federated_bundles: {
        'spiffe://bad.test': Buffer.from('x'),
        'spiffe://good.test': response.svids[0]?.bundle ?? Buffer.alloc(0),
      },
    }));
    expect(Object.keys(authoritiesIn(await next(stream)))).toEqual(['example.org', 'good.test']);
    expect(await running.event('bundle_left_out')).toMatchObject({ trustDomain: 'spiffe://bad.test' });
  });

  test('in plain form holds the name of all, until the operator wants the trust domains merged', async () => {
    await using running = await startRunning(FEDERATED, 'validation: { mode: trusted_ca }');
    const stream = running.client.stream().request(['ALL']);
    expect(await running.event('names_held')).toMatchObject({ names: ['ALL'] });
    running.configure('validation: { mode: trusted_ca, unsafe_merge: true }');
    expect(authoritiesIn(await next(stream))['']).toHaveLength(2);
  });
});

describe('a workload that is denied', () => {
  test.for([
    ['ROOTCA', 'example.org'],
    ['ALL', 'example.org'],
    [OWN, 'example.org'],
    [PARTNER, 'partner.test'],
  ] as const)('sees %s replaced by a context that trusts nobody, and gets it back', async ([name, trustDomain]) => {
    await using running = await startRunning(FEDERATED);
    const { stream, secret } = await subscribed(running, name);
    running.workloadApi.deny();
    const denied = authoritiesIn(await next(stream));
    expect([Object.keys(denied), denied[trustDomain]?.length]).toEqual([[trustDomain], 1]);
    expect(denied[trustDomain]).not.toEqual(authoritiesIn(secret)[trustDomain]);
    running.workloadApi.allow();
    let back = await next(stream);
    // The two streams of the Workload API may give all bundles back one after the other.
    while (JSON.stringify(back) !== JSON.stringify(secret)) back = await next(stream);
  });

  test('sees it replaced in plain form by an Envoy that knows no other', async () => {
    await using running = await startRunning(ONE);
    const { stream, secret } = await subscribed(running, 'ROOTCA', OLD_ENVOY);
    running.workloadApi.deny();
    const denied = authoritiesIn(await next(stream));
    expect(denied['']).toHaveLength(1);
    expect(denied).not.toEqual(authoritiesIn(secret));
  });

  test('sees it replaced in SPIFFE form where it had the plain one', async () => {
    await using running = await startRunning(ONE, 'validation: { mode: trusted_ca }');
    const { stream } = await subscribed(running, 'ROOTCA');
    running.workloadApi.deny();
    expect(Object.keys(authoritiesIn(await next(stream)))).toEqual(['example.org']);
  });

  test('is not served to new subscribers, and its replacement is served to all', async () => {
    await using running = await startRunning(ONE);
    const before = await subscribed(running, 'ROOTCA');
    running.workloadApi.deny();
    await next(before.stream);
    const certificate = running.client.stream().request(['default']);
    const after = await subscribed(running, 'ROOTCA');
    expect([certificate.waiting, Object.keys(authoritiesIn(after.secret))]).toEqual([0, ['example.org']]);
  });

  test('keeps everything when the operator wants it kept', async () => {
    await using running = await startRunning(ONE, 'on_permission_denied: keep');
    const before = await subscribed(running, 'ROOTCA');
    running.workloadApi.deny();
    await running.event('workload_api_lost');
    const after = await subscribed(running, 'ROOTCA');
    expect([after.secret, before.stream.waiting]).toEqual([before.secret, 0]);
    expect((await subscribed(running, 'default')).secret?.tls_certificate).not.toBeNull();
  });
});

test('trouble on the way to the Workload API withdraws nothing', async () => {
  await using running = await startRunning(FEDERATED);
  const before = await Promise.all(['ALL', 'ROOTCA', PARTNER, WEB].map((name) => subscribed(running, name)));
  const pushed = pushes(running);
  running.workloadApi.endStreams();
  await running.workloadApi.streamOpened(2);
  const after = await Promise.all(['ALL', 'ROOTCA', PARTNER, WEB].map((name) => subscribed(running, name)));
  expect([after.map(({ secret }) => secret), pushes(running)]).toEqual([before.map(({ secret }) => secret), pushed + 4]);
});

test('an SVID that is revoked is on the CRL that comes with its bundle, until the operator wants none', async () => {
  await using running = await startRunning(ONE);
  const { stream } = await subscribed(running, 'ROOTCA');
  await running.workloadApi.revoke(WEB);
  const revoking = await next(stream);
  running.configure('validation: { crl: false }');
  expect(
    [revoking, await next(stream)].map((secret) => revocationsIn(secret).map(([name, crls]) => [name, crls.length])),
  ).toEqual([[['example.org', 1]], []]);
});
