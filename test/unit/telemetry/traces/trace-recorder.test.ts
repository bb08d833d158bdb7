import { describe, expect, test } from 'vitest';
import type { Event } from '../../../../src/events.ts';
import type { Trace, TraceStart } from '../../../../src/telemetry/traces/span.ts';
import { TraceRecorder, type TraceRecorderOptions } from '../../../../src/telemetry/traces/trace-recorder.ts';
import { ManualClock } from '../../../support/clocks/manual-clock.ts';
import { accepted, message, pushed, rejected, response, streamInfo, svid, updated } from '../../../support/telemetry/told.ts';

const CALLER = { traceId: 'c'.repeat(32), spanId: 'd'.repeat(16), flags: 1 };
const SETTLED: Event = { type: 'update_settled', update: 1 };

/** Each event is one millisecond after the one before; the first is at 1. */
class Recording {
  readonly clock = new ManualClock(0);
  readonly traces: Trace[] = [];
  readonly recorder: TraceRecorder;
  #ids = 0;

  constructor(options: Partial<TraceRecorderOptions> = {}) {
    this.recorder = new TraceRecorder({
      pushSpans: 10,
      clock: this.clock,
      randomHex: (bytes) => String(++this.#ids).padStart(bytes * 2, '0'),
      onTrace: (trace) => this.traces.push(trace),
      isSampled: () => true,
      ...options,
    });
  }

  hear(...events: readonly Event[]): this {
    for (const event of events) {
      this.clock.advance(1);
      this.recorder.hear(event, this.clock.now());
    }
    return this;
  }

  get trace(): Trace {
    const [trace] = this.traces;
    if (trace === undefined || this.traces.length > 1) throw new Error(`there are ${this.traces.length} traces`);
    return trace;
  }
}

describe('the trace of a message', () => {
  test('shows how it was verified, what it changed, and each push until its ACK', () => {
    const { trace } = new Recording().hear(
      ...message(1, 1, [svid('svid_rotated', '02')]),
      pushed(1),
      { type: 'secret_encoded', name: 'default', kind: 'tls_certificate', version: 'abc', bytes: 900 },
      accepted(1),
      SETTLED,
    );
    const { root } = trace;
    expect(root).toMatchObject({
      name: 'workload_api.fetch_x509_svid',
      start: 1,
      end: 9,
      events: [
        { name: 'verified', at: 2 },
        { name: 'svid_rotated', at: 3, attributes: { 'spiffe.id': 'spiffe://example.org/web', 'spiffe.svid.serial': '02' } },
      ],
      attributes: {
        'spiffe.svid.count': 1,
        'sds.push.count': 1,
        'sds.ack.count': 1,
        'sds.nack.count': 0,
        'sds.unanswered.count': 0,
      },
      children: [
        {
          name: 'secrets.update',
          start: 2,
          end: 7,
          attributes: { 'secrets.update.cause': 'workload_api' },
          events: [{ name: 'encoded', attributes: { 'secret.name': 'default', 'secret.version': 'abc', 'secret.size': 900 } }],
        },
        {
          name: 'sds.push',
          start: 6,
          end: 8,
          attributes: { 'secret.name': 'default', 'sds.node': 'edge' },
          events: [{ name: 'ack' }],
        },
      ],
    });
    expect(root.error).toBeUndefined();
  });

  test('that changed nothing ends when it is handled', () => {
    const { trace } = new Recording().hear(...message(1));
    expect(trace.root).toMatchObject({ end: 3, children: [] });
    expect(Object.keys(trace.root.attributes)).not.toContain('sds.push.count');
  });

  test('that was discarded has failed', () => {
    const { trace } = new Recording().hear(
      { type: 'message_received', message: 1, method: 'FetchX509SVID' },
      { type: 'context_discarded', message: 1, code: 'svid_invalid', reason: 'it expired' },
      { type: 'message_handled', message: 1 },
    );
    expect(trace.root.error).toBe('svid_invalid: it expired');
  });

  test('of the bundles has its own name', () => {
    const { trace } = new Recording().hear(
      { type: 'message_received', message: 1, method: 'FetchX509Bundles' },
      { type: 'bundles_received', message: 1, bundles: 2 },
      { type: 'message_handled', message: 1 },
    );
    expect(trace.root).toMatchObject({ name: 'workload_api.fetch_x509_bundles', attributes: { 'spiffe.bundle.count': 2 } });
  });

  test('with a NACK has failed, and so has its push, with the reason', () => {
    const { trace } = new Recording().hear(...message(1, 1), pushed(1), rejected(1), SETTLED);
    const push = trace.root.children.find(({ name }) => name === 'sds.push');
    expect([trace.root.error, push?.error, push?.events]).toEqual([
      '1 of 1 pushes were rejected',
      'rejected: Failed to load private key',
      [expect.objectContaining({ name: 'nack' })],
    ]);
  });

  test('counts all pushes, of which no more than configured have a span', () => {
    const streams = [1, 2, 3, 4];
    const { trace } = new Recording({ pushSpans: 3 }).hear(
      ...message(1, 1),
      ...streams.map((stream) => pushed(stream)),
      ...streams.map((stream) => accepted(stream)),
      SETTLED,
    );
    expect(trace.root.children.filter(({ name }) => name === 'sds.push')).toHaveLength(3);
    expect(trace.root.attributes).toMatchObject({ 'sds.push.count': 4, 'sds.ack.count': 4, 'sds.push.without_span': 1 });
  });

  test('has a span of a NACK, too, that was not among the first pushes', () => {
    const { trace } = new Recording({ pushSpans: 1 }).hear(
      ...message(1, 1),
      pushed(1),
      pushed(2),
      accepted(1),
      rejected(2, { afterMs: 2 }),
      SETTLED,
    );
    const pushes = trace.root.children.filter(({ name }) => name === 'sds.push');
    expect(pushes.map(({ start, end, error, attributes }) => [attributes['sds.stream'], end - start, error])).toEqual([
      ['1', 2, undefined],
      ['2', 2, 'rejected: Failed to load private key'],
    ]);
  });

  test('has no span of a push when none is wanted', () => {
    const { trace } = new Recording({ pushSpans: 0 }).hear(...message(1, 1), pushed(1), accepted(1), SETTLED);
    expect(trace.root.children.map(({ name }) => name)).toEqual(['secrets.update']);
  });

  test('leaves out what was sent because it was asked for', () => {
    const asked = { because: 'request' } as const;
    const { trace } = new Recording().hear(...message(1, 1), pushed(1, asked), accepted(1, asked), SETTLED);
    expect(trace.root.attributes).toMatchObject({ 'sds.push.count': 0 });
  });

  test('ends after a minute, and shows who has not answered', () => {
    const recording = new Recording().hear(...message(1, 1), pushed(1), pushed(2), accepted(2));
    recording.clock.advance(60_000);
    const { root } = recording.trace;
    expect(root.attributes).toMatchObject({ 'sds.unanswered.count': 1 });
    expect(root.children).toContainEqual(
      expect.objectContaining({ error: 'not answered', attributes: expect.objectContaining({ 'sds.stream': '1' }) }),
    );
  });

  test('that a newer one overtook ends when what was sent for it is answered', () => {
    const recording = new Recording().hear(...message(1, 1), pushed(1), ...message(2, 2));
    expect(recording.traces).toHaveLength(0);
    recording.hear(accepted(1));
    expect(recording.trace.root.attributes).toMatchObject({ 'sds.update': 1, 'sds.overtaken': true, 'sds.ack.count': 1 });
  });

  test('that no stream got ends when a newer one overtakes it', () => {
    expect(new Recording().hear(...message(1, 1), ...message(2, 2)).trace.root.attributes).toMatchObject({ 'sds.update': 1 });
  });

  test('is handed over as it is when the process ends', () => {
    const recording = new Recording().hear(...message(1, 1), pushed(1));
    recording.recorder.flush(100);
    expect(recording.trace.root.end).toBe(100);
  });
});

describe('in node mode', () => {
  const of = (number: number, events: readonly Event[]): readonly Event[] =>
    events.map((event) => ({ ...event, workload: { number, pid: 100 + number, uid: 4000 + number } }) as Event);

  test('a trace says which workload it is about', () => {
    const { trace } = new Recording().hear(...of(1, message(1)));
    expect(trace.root.attributes).toMatchObject({ 'workload.uid': '4001', 'workload.pid': '101' });
  });

  test('so does that of an update that no message brought about', () => {
    const { trace } = new Recording().hear(...of(1, [{ ...updated(1), cause: 'configuration' } as Event, SETTLED]));
    expect(trace.root.attributes).toMatchObject({ 'workload.uid': '4001', 'workload.pid': '101' });
  });

  test('an update of one workload does not overtake that of another', () => {
    const recording = new Recording().hear(...of(1, message(1, 1)), ...of(2, message(2, 2)), ...of(1, [pushed(1), accepted(1)]));
    expect(recording.traces).toEqual([]);
    recording.hear(...of(1, [SETTLED]));
    expect(recording.trace.root.attributes).toMatchObject({ 'sds.update': 1, 'sds.push.count': 1, 'sds.ack.count': 1 });
    expect(recording.trace.root.attributes).not.toHaveProperty(['sds.overtaken']);
  });

  test('a secret is encoded in the trace of its own workload', () => {
    const encoded: Event = { type: 'secret_encoded', name: 'default', kind: 'tls_certificate', version: 'abc', bytes: 900 };
    const recording = new Recording().hear(...of(1, message(1, 1)), ...of(2, message(2, 2)), ...of(1, [encoded, SETTLED]));
    expect(recording.trace.root.children).toMatchObject([{ name: 'secrets.update', events: [{ name: 'encoded' }] }]);
  });
});

test('an update that no message brought about is a trace of its own', () => {
  const { trace } = new Recording().hear({ ...updated(1), cause: 'configuration' } as Event, pushed(1), accepted(1), SETTLED);
  expect(trace.root).toMatchObject({
    name: 'secrets.update',
    attributes: { 'secrets.update.cause': 'configuration' },
    children: [{ name: 'sds.push' }],
  });
});

describe('trace context', () => {
  test('of who started the process is continued by the first trace, and linked to by the others', () => {
    const { traces } = new Recording({ parent: CALLER }).hear(...message(1), ...message(2));
    expect(traces).toMatchObject([
      { traceId: CALLER.traceId, parent: CALLER, root: { links: [] } },
      { root: { links: [CALLER] } },
    ]);
    expect(traces[1]?.traceId).not.toBe(CALLER.traceId);
  });

  const opened: Event = { type: 'stream_opened', ...streamInfo(), traceparent: `00-${CALLER.traceId}-${CALLER.spanId}-01` };

  test('of a caller is continued by what it asks for', () => {
    const asked = { because: 'request' } as const;
    const { trace } = new Recording().hear(opened, pushed(1, asked), accepted(1, { ...asked, afterMs: 2 }));
    expect(trace).toMatchObject({ traceId: CALLER.traceId, parent: CALLER, root: { name: 'sds.push', start: 1, end: 3 } });
  });

  test('of a caller is linked to by what a message brings', () => {
    const { trace } = new Recording().hear(opened, ...message(1, 1), pushed(1), accepted(1), SETTLED);
    expect(trace.root.children).toContainEqual(expect.objectContaining({ name: 'sds.push', links: [CALLER] }));
  });

  test.each(['', 'x', `00-${'0'.repeat(32)}-${CALLER.spanId}-01`, `ff-${CALLER.traceId}-${CALLER.spanId}-01`])(
    'that is none, %j, is ignored',
    (traceparent) => {
      const told = { type: 'stream_opened', ...streamInfo(), traceparent } as const;
      const asked = { because: 'request' } as const;
      expect(new Recording().hear(told, pushed(1, asked), accepted(1, asked)).traces).toEqual([]);
    },
  );
});

test('the span of an update is known while its trace is open', () => {
  const recording = new Recording().hear(...message(1, 1), pushed(1));
  const open = recording.recorder.spanOf(1);
  recording.hear(accepted(1), SETTLED);
  const { traceId, root } = recording.trace;
  expect([open, recording.recorder.spanOf(1)]).toEqual([{ traceId, spanId: root.spanId }, undefined]);
});

test('the span of an update that the sampler drops is not given to exemplars', () => {
  const recording = new Recording({ isSampled: () => false }).hear(...message(1, 1), pushed(1));
  expect(recording.recorder.spanOf(1)).toBeUndefined();
});

test('the sampler is asked once for each trace, with its ids, its name and its parent', () => {
  const asked: TraceStart[] = [];
  const isSampled = (start: TraceStart) => asked.push(start) > 0;
  const { recorder } = new Recording({ isSampled, parent: CALLER }).hear(...message(1, 1), pushed(1));
  const span = recorder.spanOf(1);
  expect(recorder.spanOf(1)).toBe(span);
  expect(asked).toEqual([{ ...span, name: 'workload_api.fetch_x509_svid', parent: CALLER }]);
});

test('a push of very many names lists some of them', () => {
  const secrets = Array.from({ length: 20 }, (_, i) => ({ name: `n${i}`, kind: 'tls_certificate', version: 'v' }) as const);
  const many = response({ secrets });
  const { trace } = new Recording().hear(...message(1, 1), pushed(1, many), accepted(1, many), SETTLED);
  expect(trace.root.children[1]?.attributes['secret.name']).toMatch(/^n0,n1,.*,n15 and 4 more$/);
});
