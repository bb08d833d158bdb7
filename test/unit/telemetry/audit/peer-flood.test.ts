import { beforeEach, describe, expect, test } from 'vitest';
import type { Event, Peer } from '../../../../src/events.ts';
import { PeerFlood } from '../../../../src/telemetry/audit/peer-flood.ts';
import { ManualClock } from '../../../support/clocks/manual-clock.ts';
import { fc, runs } from '../../../support/properties.ts';

const SECOND_MS = 1_000;
/** All streams that one Envoy may have, on one connection: a push and an ACK each. */
const WHOLE_ENVOY = 16_384;

const peerOf = (uid: number, connection = 1): Peer => ({ connection, credentials: { uid, gid: 0, pid: connection } });
const secret = { name: 'default', kind: 'tls_certificate', version: 'a' } as const;

function answered(peer: Peer, because: 'request' | 'update' = 'request', type: Event['type'] = 'secrets_accepted'): Event {
  const response = { nonce: '1', secrets: [secret], removed: [], update: 1, because };
  return { type, stream: 1, method: 'sotw', node: '', peer, ...response, afterMs: 1 } as Event;
}

function refused(peer: Peer): Event {
  return { type: 'connection_refused', limit: 64, peer };
}

let clock: ManualClock;
let omitted: { readonly peer: Peer; readonly lines: number }[];
let flood: PeerFlood;

beforeEach(() => {
  clock = new ManualClock(0);
  omitted = [];
  flood = new PeerFlood({ clock, onOmitted: (peer, lines) => omitted.push({ peer, lines }) });
});

/** How many of so many are written. */
function written(count: number, event: (i: number) => Event): number {
  let admitted = 0;
  for (let i = 0; i < count; i++) if (flood.admits(event(i))) admitted += 1;
  return admitted;
}

describe('what a peer makes happen', () => {
  test('is written whole when an Envoy begins', () => {
    expect(written(2 * WHOLE_ENVOY, () => answered(peerOf(1)))).toBe(2 * WHOLE_ENVOY);
  });

  test('is written at most 50 times a second when it never ends, and the rest is counted', () => {
    written(100_000, () => answered(peerOf(1)));
    clock.advance(10 * SECOND_MS);
    omitted = [];
    let lines = 0;
    for (let second = 0; second < 100; second++) {
      lines += written(20_000, () => answered(peerOf(1)));
      clock.advance(SECOND_MS);
    }
    flood.flush();
    expect(lines).toBeLessThanOrEqual(50 * 110);
    expect(lines + omitted.reduce((sum, one) => sum + one.lines, 0)).toBe(2_000_000);
    expect(omitted.length).toBeLessThanOrEqual(12);
  });

  test('is recognised by its uid, not by what it can change at no cost', () => {
    expect(written(5_000, (i) => refused(peerOf(1, i)))).toBe(50);
    expect(written(40, () => refused(peerOf(2)))).toBe(40);
    flood.flush();
    expect(omitted).toEqual([{ peer: peerOf(1, 4_999), lines: 4_950 }]);
  });

  test('cannot hide its refusals behind its deliveries', () => {
    written(100_000, () => answered(peerOf(1)));
    expect(flood.admits(refused(peerOf(1)))).toBe(true);
    expect(flood.admits(answered(peerOf(1), 'request', 'secrets_rejected'))).toBe(true);
  });

  test('is bounded in whatever way it was refused', () => {
    const broken: Event = { type: 'connection_broken', reason: 'PING', peer: peerOf(3) };
    const malformed: Event = { type: 'request_malformed', call: '/a.B/C', details: 'no', peer: peerOf(4) };
    expect(written(5_000, () => broken)).toBe(50);
    expect(written(5_000, () => malformed)).toBe(50);
  });

  test('is told of fifty secrets that it fetched at once, and five a second after that', () => {
    const fetched: Event = { type: 'secrets_fetched', secrets: [secret], node: '', peer: peerOf(1) };
    expect(written(5_000, () => fetched)).toBe(50);
    clock.advance(10 * SECOND_MS);
    expect(written(5_000, () => fetched)).toBe(50);
    expect(flood.admits(answered(peerOf(1)))).toBe(true);
  });

  test('is written again when it has become quiet', () => {
    written(5_000, () => refused(peerOf(1)));
    clock.advance(100 * SECOND_MS);
    expect(written(5_000, () => refused(peerOf(1)))).toBe(50);
  });
});

test('what an update brings about is never left out', () => {
  const types = ['secrets_pushed', 'secrets_accepted', 'secrets_rejected'] as const;
  for (const type of types) expect(written(200_000, () => answered(peerOf(1), 'update', type))).toBe(200_000);
  expect(written(10_000, () => ({ type: 'context_discarded', message: 1, code: 'x', reason: 'y' }))).toBe(10_000);
});

test('no line is lost without being counted, whoever comes and whenever', () => {
  const step = fc.record({
    uid: fc.integer({ min: 0, max: 2 }),
    count: fc.integer({ min: 1, max: 3_000 }),
    afterMs: fc.integer({ min: 0, max: 20 * SECOND_MS }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      omitted = [];
      let lines = 0;
      for (const { uid, count, afterMs } of steps) {
        clock.advance(afterMs);
        lines += written(count, () => refused(peerOf(uid)));
      }
      flood.flush();
      const left = omitted.reduce((sum, one) => sum + one.lines, 0);
      expect(lines + left).toBe(steps.reduce((sum, { count }) => sum + count, 0));
    }),
    runs(50),
  );
});
