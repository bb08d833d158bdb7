import { describe, expect, test } from 'vitest';
import type { Event } from '../../../src/events.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { Observed } from '../../../src/state/observed.ts';
import { allPassed, type Check, livez, readyz, startupz } from '../../../src/state/readiness.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';

const START = Date.UTC(2030, 0, 1);
const HOUR = 3_600_000;
const id = parseSpiffeId('spiffe://example.org/web');
const own = parseTrustDomain('example.org');
const partner = parseTrustDomain('partner.test');

const listening: Event = { type: 'listening', address: 'unix:///s', mode: '0660' };
const connected: Event = { type: 'workload_api_connected', address: 'unix:///a', afterMs: 1 };
const received: Event = { type: 'svid_received', id, hint: '', serial: '01', notAfter: START + HOUR };
const bundle: Event = { type: 'bundle_updated', trustDomain: own, authorities: 1, notAfter: START + 24 * HOUR };
const updated: Event = { type: 'secrets_updated', update: 1, cause: 'workload_api', names: 3 };
const lost = { type: 'workload_api_lost', address: 'unix:///a', details: 'gone', meaning: 'it is gone', failures: 2 } as const;
const unavailable: Event = { ...lost, code: 'UNAVAILABLE', retryInMs: 100 };
const denied: Event = { ...lost, code: 'PERMISSION_DENIED', retryInMs: 100 };
const SERVING = [listening, connected, received, bundle, updated];

/** What `probe` says after these events, so many milliseconds after the last. */
function checksAfter(events: readonly Event[], { probe = readyz, later = 0 } = {}): readonly Check[] {
  const clock = new ManualClock(START);
  const observed = new Observed(clock);
  for (const event of events) observed.hear(event);
  return probe(observed, START + later);
}

/** The reasons of those that failed, by name. */
function failures(checks: readonly Check[]): Readonly<Record<string, string>> {
  return Object.fromEntries(checks.flatMap(({ name, ok, reason }) => (ok ? [] : [[name, reason]])));
}

describe('readyz', () => {
  test('passes when an identity and a bundle are served and nothing is in the way', () => {
    expect(failures(checksAfter(SERVING))).toEqual({});
  });

  test('gives a reason for each check that passes, too', () => {
    expect(checksAfter(SERVING).map(({ reason }) => reason)).toEqual([
      'SDS is served on unix:///s',
      'the sidecar does not stop',
      'X509-SVIDs: 1, trust bundles: 1',
      'spiffe://example.org/web is next, at 2030-01-01T01:00:00.000Z',
      'connected to the Workload API since 2030-01-01T00:00:00.000Z',
    ]);
  });

  test('fails before anything came, and says since when it waits', () => {
    expect(failures(checksAfter([listening]))).toEqual({
      secrets:
        'there is no X509-SVID and no trust bundle: the Workload API has not answered yet, asked since 2030-01-01T00:00:00.000Z',
    });
  });

  test('blames the clock while an SVID waits for its time, and not after it has expired unused', () => {
    const waits: Event = { type: 'svid_not_yet_valid', id, serial: '01', from: START + HOUR, inMs: HOUR, meanwhile: 'nothing' };
    const expired: Event = { type: 'svid_expired', id, serial: '01', notAfter: START - HOUR };
    const early = [listening, connected, bundle, waits];
    expect(failures(checksAfter(early))['secrets']).toContain('is not valid before 2030-01-01T01:00:00.000Z');
    expect(failures(checksAfter([...early, expired]))['secrets']).toContain('there is no X509-SVID');
  });

  test('fails before the socket listens', () => {
    expect(failures(checksAfter(SERVING.slice(1)))).toEqual({ socket: 'it does not listen yet' });
  });

  test('fails while nobody can connect to the socket, and says why', () => {
    const gone: Event = { type: 'socket_lost', address: 'unix:///s', reason: 'it was removed' };
    expect(failures(checksAfter([...SERVING, gone]))).toEqual({
      socket: 'nobody can connect to unix:///s: it was removed',
    });
    expect(failures(checksAfter([...SERVING, gone, { type: 'socket_restored', address: 'unix:///s' }]))).toEqual({});
  });

  test('fails while it drains', () => {
    expect(Object.keys(failures(checksAfter([...SERVING, { type: 'draining', streams: 1 }])))).toEqual(['shutdown']);
  });

  test('passes while a lost connection is tried again', () => {
    const checks = checksAfter([...SERVING, unavailable]);
    expect([failures(checks), checks.at(-1)?.reason]).toEqual([
      {},
      'lost since 2030-01-01T00:00:00.000Z: it is gone (UNAVAILABLE: gone); it is tried again, 2 tries have failed so far',
    ]);
  });

  test('fails when a lost connection is not tried again, and says what to do', () => {
    const { retryInMs: _, ...final } = { ...unavailable, retryInMs: 0 };
    expect(failures(checksAfter([...SERVING, final]))).toEqual({
      upstream:
        'lost since 2030-01-01T00:00:00.000Z: it is gone (UNAVAILABLE: gone); it is not tried again: fix that, then restart the sidecar',
    });
  });

  test('fails when the Workload API refuses, although what it gave before is kept', () => {
    expect(Object.keys(failures(checksAfter([...SERVING, denied])))).toEqual(['upstream']);
  });

  test('of several Workload APIs fails only when all refuse, and says of each how it is', () => {
    const two: Event = { type: 'workload_apis', addresses: ['unix:///a', 'unix:///b'], leaving: [] };
    const oneDenies: readonly Event[] = [two, ...SERVING, { ...denied, address: 'unix:///b', source: 'unix:///b' }];
    const checks = checksAfter([...oneDenies, { ...connected, source: 'unix:///a' }]);
    expect(failures(checks)).toEqual({});
    expect(checks.find(({ name }) => name === 'upstream')?.reason).toMatch(
      /^unix:\/\/\/a: connected to .*; unix:\/\/\/b: refused since .*it is gone/,
    );
    expect(failures(checksAfter([...oneDenies, { ...denied, source: 'unix:///a' }]))).toMatchObject({
      upstream: expect.stringContaining('unix:///a: refused'),
    });
  });

  test('says once why there is nothing when the Workload API refuses', () => {
    expect(failures(checksAfter([listening, denied]))).toEqual({
      secrets: 'there is no X509-SVID and no trust bundle',
      upstream: expect.stringMatching(/^refused since .*: it is gone/),
    });
  });

  test('fails when the last SVID is withdrawn, and says where to look', () => {
    expect(failures(checksAfter([...SERVING, { type: 'svid_withdrawn', id, reason: 'gone' }]))).toEqual({
      secrets: expect.stringMatching(/^there is no X509-SVID: .* none for this process, check its registration entries/),
    });
  });

  test.for([
    [HOUR - 1, {}],
    [
      HOUR,
      {
        expiry: expect.stringMatching(/^spiffe:\/\/example\.org\/web has expired at 2030-01-01T01:00.*check the Workload API/),
      },
    ],
  ] as const)('%d ms after an SVID of an hour came: %j', ([later, expected]) => {
    expect(failures(checksAfter(SERVING, { later }))).toEqual(expected);
  });

  test('fails when the bundle of its own trust domain has expired', () => {
    const old: Event = { ...bundle, notAfter: START + 1 };
    expect(failures(checksAfter([...SERVING, old], { later: 1 }))['expiry']).toMatch(/^the bundle of example\.org has expired/);
  });

  test('does not mind the bundle of a federated trust domain', () => {
    const old: Event = { type: 'bundle_updated', trustDomain: partner, authorities: 1, notAfter: START + 1 };
    expect(failures(checksAfter([...SERVING, old], { later: 1 }))).toEqual({});
  });

  test('names a message that was discarded, which alone makes nothing unready', () => {
    const discarded: Event = { type: 'context_discarded', message: 2, code: 'svid_invalid', reason: 'no URI SAN' };
    const checks = checksAfter([...SERVING, discarded]);
    expect([failures(checks), checks.at(-1)?.reason]).toEqual([{}, expect.stringMatching(/was discarded.*: no URI SAN$/)]);
  });
});

describe('startupz', () => {
  test('fails until an identity and a bundle were served', () => {
    const passed = SERVING.map((_, count) => allPassed(checksAfter(SERVING.slice(0, count), { probe: startupz })));
    expect([...passed, allPassed(checksAfter(SERVING, { probe: startupz }))]).toEqual([false, false, false, false, false, true]);
  });

  test('stays passed whatever comes', () => {
    const events: readonly Event[] = [...SERVING, denied, { type: 'svid_withdrawn', id, reason: 'denied' }];
    expect(allPassed(checksAfter(events, { probe: startupz }))).toBe(true);
  });
});

test('livez passes whatever happened', () => {
  expect(checksAfter([denied, { type: 'draining', streams: 0 }], { probe: livez })).toEqual([
    { name: 'process', ok: true, reason: 'it runs since 2030-01-01T00:00:00.000Z' },
  ]);
});
