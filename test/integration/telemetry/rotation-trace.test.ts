/** What a rotation tells of itself, on real streams: one trace from the message to the last answer. */
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import type { Event } from '../../../src/events.ts';
import { Observed } from '../../../src/state/observed.ts';
import { Measurements } from '../../../src/telemetry/metrics/measurements.ts';
import type { Span, Trace } from '../../../src/telemetry/traces/span.ts';
import { TraceRecorder } from '../../../src/telemetry/traces/trace-recorder.ts';
import { DeltaStream, type SdsClient, SdsStream } from '../../support/sds/sds-client.ts';
import { type Running, startRunning } from '../../support/sidecar/sidecar.ts';

const WEB = 'spiffe://example.org/web';
const NAMES = [WEB, 'spiffe://example.org'];

/** All events so far, told again to who records them. */
function recorded(events: readonly Event[]): { readonly traces: readonly Trace[]; readonly measurements: Measurements } {
  const traces: Trace[] = [];
  const measurements = new Measurements(new Observed(systemClock));
  const randomHex = (bytes: number) => 'ab'.repeat(bytes);
  const recorder = new TraceRecorder({
    pushSpans: 100,
    clock: systemClock,
    randomHex,
    onTrace: (trace) => traces.push(trace),
    isSampled: () => true,
  });
  for (const [at, event] of events.entries()) {
    measurements.hear(event, at);
    recorder.hear(event, at);
  }
  return { traces, measurements };
}

/** After the events so far: the update that a rotation brings, settled. */
async function rotate(running: Running, answer: () => Promise<unknown>): Promise<readonly Event[]> {
  const before = running.events.length;
  await running.workloadApi.rotate();
  await answer();
  await running.eventAfter(before, 'update_settled');
  return running.events.slice(before);
}

/** The sidecar has heard the ACKs that were sent so far. */
async function allAnswered(running: Running): Promise<void> {
  while ([...running.sidecar.streams].some(({ unanswered }) => unanswered > 0)) {
    await running.eventAfter(running.events.length, 'secrets_accepted');
  }
}

const METHODS = {
  sotw: (client: SdsClient) => client.stream().request(NAMES),
  delta: (client: SdsClient) => client.delta().subscribe(...NAMES),
} as const;

describe.each(Object.keys(METHODS) as (keyof typeof METHODS)[])('a rotation over %s', (method) => {
  async function subscribed(running: Running): Promise<SdsStream | DeltaStream> {
    const stream = METHODS[method](running.client);
    await stream.accept();
    if (stream instanceof DeltaStream) await stream.accept();
    await allAnswered(running);
    return stream;
  }

  test('is one trace: the message, the update, and a push for each stream with its ACK', async () => {
    await using running = await startRunning({ identities: [{ path: '/web' }] });
    const streams = [await subscribed(running), await subscribed(running)];
    const events = await rotate(running, () => Promise.all(streams.map((stream) => stream.accept())));
    const rotation = recorded(events).traces.find(({ root }) => root.children.some(({ name }) => name === 'sds.push'));
    const pushes = rotation?.root.children.filter(({ name }) => name === 'sds.push') as readonly Span[];
    expect(rotation?.root).toMatchObject({
      name: 'workload_api.fetch_x509_svid',
      attributes: { 'sds.push.count': 2, 'sds.ack.count': 2, 'sds.unanswered.count': 0 },
      children: [{ name: 'secrets.update' }, {}, {}],
    });
    expect(rotation?.root.children[0]?.events).toContainEqual(
      expect.objectContaining({ name: 'encoded', attributes: expect.objectContaining({ 'secret.name': WEB }) }),
    );
    expect(
      pushes.map(({ attributes }) => [attributes['sds.method'], attributes['sds.stream'], attributes['secret.name']]),
    ).toEqual([
      [method, '1', expect.stringContaining(WEB)],
      [method, '2', expect.stringContaining(WEB)],
    ]);
  });

  test('that is rejected says so', async () => {
    await using running = await startRunning({ identities: [{ path: '/web' }] });
    const stream = await subscribed(running);
    const events = await rotate(running, async () => {
      const response = await stream.next();
      if (stream instanceof SdsStream) stream.nack(response as never, 'Failed to load private key');
      else stream.nack(response as never, 'Failed to load private key');
      // What was good before comes again.
      await stream.accept();
    });
    const rotation = recorded(events).traces.find(({ root }) => root.error !== undefined);
    expect(rotation?.root.attributes).toMatchObject({ 'sds.push.count': 1, 'sds.ack.count': 0, 'sds.nack.count': 1 });
  });

  test('is measured until the last ACK', async () => {
    await using running = await startRunning({ identities: [{ path: '/web' }] });
    const stream = await subscribed(running);
    const events = await rotate(running, () => stream.accept());
    const metric = recorded(events)
      .measurements.collect()
      .find(({ instrument }) => instrument.name === 'spiffe.sds.rotation.duration');
    expect(metric?.points).toEqual([expect.objectContaining({ count: 1 })]);
  });

  test('that a stream does not answer is not settled, until that stream is gone', async () => {
    await using running = await startRunning({ identities: [{ path: '/web' }] });
    const stream = await subscribed(running);
    const before = running.events.length;
    await running.workloadApi.rotate();
    await stream.next();
    expect(running.events.slice(before).map(({ type }) => type)).not.toContain('update_settled');
    stream.cancel();
    const settled = await running.eventAfter(before, 'update_settled');
    expect(running.events.findIndex(({ type }) => type === 'stream_closed')).toBeLessThan(running.events.indexOf(settled));
  });
});

test('a CA roll is settled when the certificates are taken, after the bundles', async () => {
  await using running = await startRunning({ identities: [{ path: '/web' }] });
  const certificate = running.client.stream().request([WEB]);
  const bundle = running.client.stream().request(['spiffe://example.org']);
  await Promise.all([certificate.accept(), bundle.accept()]);
  await allAnswered(running);
  const before = running.events.length;
  await running.workloadApi.rollAuthority();
  await bundle.accept();
  await certificate.accept();
  await running.eventAfter(before, 'update_settled');
  const order = running.events.slice(before).filter(({ type }) => ['secrets_accepted', 'update_settled'].includes(type));
  expect(order.map((event) => (event.type === 'secrets_accepted' ? event.secrets[0]?.kind : event.type))).toEqual([
    'validation_context',
    'tls_certificate',
    'update_settled',
  ]);
});

describe('totals', () => {
  test('count the names of open streams, and those that are held', async () => {
    await using running = await startRunning({ identities: [{ path: '/web' }] });
    const stream = running.client.stream().request([WEB, 'nobody']);
    await stream.accept();
    await running.event('names_held');
    const open = running.sidecar.counts;
    stream.cancel();
    await running.event('stream_closed');
    expect([open, running.sidecar.counts]).toEqual([
      { connections: 1, streams: 1, subscriptions: 2, held: 1 },
      { connections: 1, streams: 0, subscriptions: 0, held: 0 },
    ]);
  });
});

test("a caller's trace context is told when its stream opens", async () => {
  await using running = await startRunning({ identities: [{ path: '/web' }] });
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  await running.client.stream({ traceparent }).request([WEB]).accept();
  expect(await running.event('stream_opened')).toMatchObject({ traceparent });
});

test('secrets that are fetched are reported, and by whom', async () => {
  await using running = await startRunning({ identities: [{ path: '/web' }] });
  await running.event('secrets_updated');
  await running.client.fetch([WEB]);
  expect(await running.event('secrets_fetched')).toMatchObject({
    secrets: [{ name: WEB, kind: 'tls_certificate' }],
    peer: { connection: 1 },
  });
});
