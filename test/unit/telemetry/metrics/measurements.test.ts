import { describe, expect, test } from 'vitest';
import type { Event } from '../../../../src/events.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';
import { Observed } from '../../../../src/state/observed.ts';
import { BUCKETS, INSTRUMENTS } from '../../../../src/telemetry/metrics/instruments.ts';
import { Measurements } from '../../../../src/telemetry/metrics/measurements.ts';
import type { HistogramPoint, NumberPoint } from '../../../../src/telemetry/metrics/metric.ts';
import { ManualClock } from '../../../support/clocks/manual-clock.ts';
import {
  accepted,
  EXAMPLE_ORG,
  lost,
  message,
  pushed,
  rejected,
  streamInfo,
  svid,
  WEB,
} from '../../../support/telemetry/told.ts';

/** Each event is one second after the one before; the first is at 1 s. */
class Measured {
  readonly clock = new ManualClock(0);
  readonly observed = new Observed(this.clock);
  readonly measurements = new Measurements(this.observed);

  hear(...events: readonly Event[]): this {
    for (const event of events) {
      this.clock.advance(1000);
      this.observed.hear(event);
      this.measurements.hear(event, this.clock.now());
    }
    return this;
  }

  /** The points that are not zero, without attributes where there are none. */
  values(name: string): readonly (readonly [string, number])[] {
    return this.#points(name)
      .map(({ attributes, value }) => [Object.values(attributes).join(' '), value] as const)
      .filter(([, value]) => value !== 0);
  }

  histogram(name: string): readonly HistogramPoint[] {
    return this.#points(name) as unknown as readonly HistogramPoint[];
  }

  #points(name: string): readonly NumberPoint[] {
    const found = this.measurements.collect().find(({ instrument }) => instrument.name === name);
    if (found === undefined) throw new Error(`there is no instrument ${name}`);
    return found.points as readonly NumberPoint[];
  }
}

test('every instrument is measured, once, in the order in which they are promised', () => {
  const measured = new Measured().measurements.collect().map(({ instrument }) => instrument);
  expect(measured).toEqual(Object.values(INSTRUMENTS));
});

test('points have the attributes that their instrument promises', () => {
  const measured = new Measured().hear(...message(1, 1, [svid('svid_received', '01')]), pushed(), accepted(), rejected());
  for (const { instrument, points } of measured.measurements.collect()) {
    // Which Workload API it is, is said only where there are several.
    const promised = instrument.attributes.filter((attribute) => attribute !== 'spiffe.workload_api.address');
    for (const { attributes } of points) expect([instrument.name, Object.keys(attributes)]).toEqual([instrument.name, promised]);
  }
});

describe('of several Workload APIs', () => {
  const apis = { type: 'workload_apis', addresses: ['unix:///a', 'unix:///b'], leaving: [] } as const;
  const connected = { type: 'workload_api_connected', address: 'unix:///b', afterMs: 1, source: 'unix:///b' } as const;

  test('each has its own state', () => {
    const points = new Measured()
      .hear(apis, connected)
      .measurements.collect()
      .find(({ instrument }) => instrument === INSTRUMENTS.connected)?.points;
    expect(points).toEqual([
      { attributes: { 'spiffe.workload_api.address': 'unix:///a' }, value: 0 },
      { attributes: { 'spiffe.workload_api.address': 'unix:///b' }, value: 1 },
    ]);
  });

  test('conflicts are counted for as long as they last', () => {
    const conflict = { of: 'bundle', name: 'example.org', used: 'unix:///a', left: 'unix:///b' } as const;
    const measured = new Measured().hear(apis, { type: 'workload_api_conflict', ...conflict });
    expect(measured.values('spiffe.workload_api.conflicts')).toEqual([['', 1]]);
    measured.hear({ type: 'workload_api_conflict_over', ...conflict });
    expect(measured.values('spiffe.workload_api.conflicts')).toEqual([]);
  });
});

describe('an SVID', () => {
  test('has its expiry and the time when it came', () => {
    const measured = new Measured().hear(svid('svid_received', '01', 50_000));
    expect([measured.values('spiffe.svid.not_after'), measured.values('spiffe.svid.rotation.last_success')]).toEqual([
      [[WEB, 50]],
      [[WEB, 1]],
    ]);
  });

  test('counts its rotations, from zero', () => {
    const measured = new Measured().hear(svid('svid_received', '01'));
    expect(measured.measurements.collect()[2]?.points).toEqual([{ attributes: { 'spiffe.id': WEB }, value: 0 }]);
    expect(measured.hear(svid('svid_rotated', '02')).values('spiffe.svid.rotation')).toEqual([[WEB, 1]]);
  });

  test.each<[string, Event]>([
    ['a message was discarded', { type: 'context_discarded', message: 1, code: 'svid_invalid', reason: '' }],
    ['it was not rotated in time', { type: 'svid_expiring', id: WEB, serial: '01', notAfter: 9 }],
    ['it has expired', { type: 'svid_expired', id: WEB, serial: '01', notAfter: 9 }],
  ])('has the time of its last failure when %s', (_, event) => {
    const measured = new Measured().hear(svid('svid_received', '01'), event);
    expect(measured.values('spiffe.svid.rotation.last_failure')).toEqual([[WEB, 2]]);
  });

  test('that is withdrawn has no expiry any more', () => {
    const measured = new Measured().hear(svid('svid_received', '01'), { type: 'svid_withdrawn', id: WEB, reason: '' });
    expect(measured.values('spiffe.svid.not_after')).toEqual([]);
  });
});

test('a bundle has its updates, authorities and expiry', () => {
  const measured = new Measured().hear({ type: 'bundle_updated', trustDomain: EXAMPLE_ORG, authorities: 2, notAfter: 70_000 });
  expect(['update', 'authorities', 'not_after'].map((name) => measured.values(`spiffe.bundle.${name}`))).toEqual([
    [[EXAMPLE_ORG, 1]],
    [[EXAMPLE_ORG, 2]],
    [[EXAMPLE_ORG, 70]],
  ]);
});

describe('the Workload API', () => {
  test('is connected from its first message on, and measures how long that took', () => {
    const measured = new Measured().hear({ type: 'workload_api_connected', address: '', afterMs: 250 }, ...message(1));
    expect([
      measured.values('spiffe.workload_api.connected'),
      measured.values('spiffe.attestation'),
      measured.values('spiffe.workload_api.last_message'),
      measured.histogram('spiffe.svid.fetch.duration'),
    ]).toEqual([[['', 1]], [['accepted', 1]], [['', 2]], [expect.objectContaining({ count: 1, sum: 0.25 })]]);
  });

  test('that is lost is not connected, and its fetches count by what they came to', () => {
    const discarded: Event = { type: 'context_discarded', message: 1, code: '', reason: '' };
    const measured = new Measured().hear(
      ...message(1),
      discarded,
      lost('UNAVAILABLE', 1),
      lost('OK', 1),
      lost('PERMISSION_DENIED', 1),
    );
    expect([
      measured.values('spiffe.workload_api.connected'),
      measured.values('spiffe.svid.fetch'),
      measured.values('spiffe.attestation'),
    ]).toEqual([
      [],
      [
        ['ok', 1],
        ['discarded', 1],
        ['unavailable', 1],
        ['permission_denied', 1],
        ['ended', 1],
      ],
      [['denied', 1]],
    ]);
  });
});

describe('a push', () => {
  test('counts by kind and method, as does its answer', () => {
    const delta = { method: 'delta' } as const;
    const measured = new Measured().hear(pushed(1, delta), accepted(1, delta), pushed(2), rejected(2));
    expect(['push', 'ack', 'nack'].map((name) => measured.values(`spiffe.sds.${name}`))).toEqual([
      [
        ['tls_certificate sotw', 1],
        ['tls_certificate delta', 1],
      ],
      [['tls_certificate delta', 1]],
      [['tls_certificate sotw private_key', 1]],
    ]);
  });

  test('has the time until its ACK in the bucket where it belongs', () => {
    const [point] = new Measured().hear(accepted(1, { afterMs: 5 })).histogram('spiffe.sds.push.duration');
    expect(point).toMatchObject({ attributes: { 'secret.kind': 'tls_certificate' }, count: 1, sum: 0.005 });
    expect(point?.buckets.indexOf(1)).toBe(BUCKETS.indexOf(0.005));
  });

  test('that took longer than every bound is in the last bucket', () => {
    const [point] = new Measured().hear(accepted(1, { afterMs: 31_000 })).histogram('spiffe.sds.push.duration');
    expect(point?.buckets.at(-1)).toBe(1);
  });

  test('has an exemplar when its update is traced', () => {
    const measured = new Measured();
    const span = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };
    measured.measurements.attach(
      () => ({ connections: 0, streams: 0, subscriptions: 0, held: 0 }),
      (update) => (update === 1 ? span : undefined),
    );
    const [point] = measured
      .hear(accepted(1, { afterMs: 5 }), accepted(1, { afterMs: 100, update: 2 }))
      .histogram('spiffe.sds.push.duration');
    expect(point?.exemplars.filter((exemplar) => exemplar !== undefined)).toEqual([{ value: 0.005, at: 1000, context: span }]);
  });
});

describe('a rotation', () => {
  const settled = (update: number): Event => ({ type: 'update_settled', update });

  test('takes from its message to the last answer', () => {
    const [point] = new Measured()
      .hear(...message(1, 1), pushed(), accepted(), settled(1))
      .histogram('spiffe.sds.rotation.duration');
    // The message is the first of seven events.
    expect(point).toMatchObject({ count: 1, sum: 6 });
  });

  test('that concerned nobody is none', () => {
    expect(new Measured().hear(...message(1, 1), settled(1)).histogram('spiffe.sds.rotation.duration')).toEqual([]);
  });

  test('that a newer one overtook is not measured', () => {
    const measured = new Measured().hear(...message(1, 1), pushed(), ...message(2, 2), settled(1));
    expect(measured.histogram('spiffe.sds.rotation.duration')).toEqual([]);
  });
});

test('what is open now is asked for', () => {
  const measured = new Measured();
  measured.measurements.attach(
    () => ({ connections: 1, streams: 2, subscriptions: 3, held: 4 }),
    () => undefined,
  );
  expect(['connections', 'streams', 'subscriptions', 'held'].map((name) => measured.values(`spiffe.sds.${name}`))).toEqual([
    [['', 1]],
    [['', 2]],
    [['', 3]],
    [['', 4]],
  ]);
});

test('peers that are denied count by the reason', () => {
  const denied: Event = { type: 'stream_denied', ...streamInfo(), reason: 'names', details: '' };
  const malformed: Event = { type: 'request_malformed', call: '/a.B/C', details: '', peer: { connection: 1 } };
  const measured = new Measured().hear({ type: 'connection_refused', limit: 1, peer: { connection: 1 } }, denied, malformed);
  expect(measured.values('spiffe.sds.peer.denied')).toEqual([
    ['connections', 1],
    ['names', 1],
    ['malformed', 1],
  ]);
});

test('a configuration that cannot be used is counted, and shown until a usable one comes', () => {
  const measured = new Measured().hear({ type: 'configuration_rejected', reason: 'a typo' });
  const bad = measured.values('spiffe.configuration.valid');
  measured.hear({ type: 'configuration_reloaded', changed: [], needRestart: [] });
  expect([bad, measured.values('spiffe.configuration.valid'), measured.values('spiffe.configuration.reload')]).toEqual([
    [],
    [['', 1]],
    [
      ['applied', 1],
      ['rejected', 1],
    ],
  ]);
});

test('no more than a thousand series are kept of an instrument, and none is lost', () => {
  const measured = new Measured();
  for (let i = 0; i < 1100; i++) {
    measured.measurements.hear(
      { type: 'svid_rotated', id: parseSpiffeId(`spiffe://example.org/${i}`), hint: '', serial: '', notAfter: 0 },
      0,
    );
  }
  const values = measured.values('spiffe.svid.rotation');
  expect([values.length, values.at(-1)]).toEqual([1001, ['true', 100]]);
});
