/** FetchJWTBundles: what is published of each trust domain, and when it is taken back. */
import { status } from '@grpc/grpc-js';
import { beforeEach, describe, expect, test } from 'vitest';
import { createJwtAuthority } from '../../../src/dev/jwt.ts';
import type { Event } from '../../../src/events.ts';
import type { JWTBundlesResponse } from '../../../src/gen/messages.ts';
import { JwtBundleWatch } from '../../../src/workload-api/jwt-bundle-watch.ts';
import type { FetchListener } from '../../../src/workload-api/stream-call.ts';
import { verdictOf } from '../../../src/workload-api/verdict.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';
import { NOW } from '../../support/x509/certificates.ts';

const one = (await createJwtAuthority()).publicKey;
const two = (await createJwtAuthority()).publicKey;
let clock: ManualClock;
let calls: FetchListener<JWTBundlesResponse>[];
let events: Event[];
let watch: JwtBundleWatch;
let onPermissionDenied: 'withdraw' | 'keep';

beforeEach(() => {
  clock = new ManualClock(NOW);
  calls = [];
  events = [];
  onPermissionDenied = 'withdraw';
  watch = new JwtBundleWatch({
    api: {
      fetchJwtBundles: (listener) => {
        calls.push(listener);
        return () => undefined;
      },
      verdictOf,
    },
    clock,
    random: () => 0,
    onPermissionDenied: () => onPermissionDenied,
    events: (event) => void events.push(event),
  });
});

const say = (bundles: Readonly<Record<string, readonly unknown[]>>) =>
  calls.at(-1)?.message({
    bundles: Object.fromEntries(Object.entries(bundles).map(([name, keys]) => [name, Buffer.from(JSON.stringify({ keys }))])),
  });
const kidsOf = (trustDomain: string) =>
  JSON.parse(watch.of(trustDomain)?.document ?? '{"keys":[]}').keys.map(({ kid }: { kid: string }) => kid);

test('nothing is asked for before somebody asks', async () => {
  expect(calls).toEqual([]);
  const known = watch.known();
  void watch.known();
  expect(calls).toHaveLength(1);
  say({ 'spiffe://example.org': [one] });
  await known;
});

describe('a bundle', () => {
  beforeEach(() => {
    void watch.known();
    say({ 'spiffe://example.org': [one], 'spiffe://partner.test': [two] });
  });

  test('is published for its own trust domain', () => {
    expect([kidsOf('example.org'), kidsOf('partner.test')]).toEqual([[one.kid], [two.kid]]);
  });

  test('that is listed no more is gone', () => {
    say({ 'spiffe://example.org': [one] });
    expect([watch.of('partner.test'), events.at(-1)]).toEqual([
      undefined,
      { type: 'jwt_bundle_withdrawn', trustDomain: 'partner.test', reason: 'the Workload API no longer lists it' },
    ]);
  });

  test('of which nothing can be used is gone, and the others stay', () => {
    say({ 'spiffe://example.org': [one], 'spiffe://partner.test': [] });
    expect([kidsOf('example.org'), watch.of('partner.test')]).toEqual([[one.kid], undefined]);
    expect(events.map(({ type }) => type).slice(-2)).toEqual(['jwt_bundle_left_out', 'jwt_bundle_withdrawn']);
  });

  test('is as old as its last change', () => {
    clock.advance(60_000);
    say({ 'spiffe://example.org': [one, two], 'spiffe://partner.test': [two] });
    expect([watch.of('example.org')?.since, watch.of('partner.test')?.since]).toEqual([NOW + 60_000, NOW]);
  });

  test('stays when the Workload API cannot be reached', () => {
    calls.at(-1)?.end(status.UNAVAILABLE, 'gone');
    clock.advance(1);
    expect([kidsOf('example.org'), calls.length, events.some(({ type }) => type === 'jwt_bundles_refused')]).toEqual([
      [one.kid],
      2,
      false,
    ]);
  });

  test('is gone when this workload may not have it', () => {
    calls.at(-1)?.end(status.PERMISSION_DENIED, 'no');
    expect(watch.of('example.org')).toBeUndefined();
  });

  test('stays then where the operator says so', () => {
    onPermissionDenied = 'keep';
    calls.at(-1)?.end(status.PERMISSION_DENIED, 'no');
    expect(kidsOf('example.org')).toEqual([one.kid]);
  });

  test('of a Workload API that has none is told once, and not asked for again', () => {
    calls.at(-1)?.end(status.UNIMPLEMENTED, 'no');
    clock.advance(60_000);
    expect([calls.length, watch.of('example.org')]).toEqual([1, undefined]);
    expect(events.filter(({ type }) => type === 'jwt_bundles_refused')).toEqual([
      expect.objectContaining({ meaning: 'this Workload API has none', retried: false }),
    ]);
  });
});

test('a key that cannot be used is told', () => {
  void watch.known();
  say({ 'spiffe://example.org': [one, { ...two, kty: 'OKP' }] });
  expect(events[0]).toMatchObject({ type: 'jwt_key_left_out', trustDomain: 'example.org', key: two.kid });
});

test('a denial is an answer, too: nobody waits for more', async () => {
  const known = watch.known();
  calls.at(-1)?.end(status.PERMISSION_DENIED, 'no');
  await known;
});
