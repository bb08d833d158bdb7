/** The exporters are loaded after the first events: they are given those events then, with the times at which they happened. */
import { mkdtempDisposable, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { configurationSchema } from '../../../src/config/schema/schema.ts';
import type { Event } from '../../../src/events.ts';
import { Telemetry } from '../../../src/telemetry/telemetry.ts';
import { OtlpReceiver } from '../../support/telemetry/otlp-receiver.ts';
import { accepted, message, pushed, svid } from '../../support/telemetry/told.ts';

const ROTATION = [...message(1, 1, [svid('svid_rotated', '02')]), pushed(), accepted()];
const SETTLED: Event = { type: 'update_settled', update: 1 };
const OPEN_METRICS = 'application/openmetrics-text; version=1.0.0';

let stack: AsyncDisposableStack;
let collector: OtlpReceiver;
let auditFile: string;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  collector = stack.use(await OtlpReceiver.open({ protocol: 'grpc' }));
  auditFile = join(stack.use(await mkdtempDisposable(join(tmpdir(), 'early-'))).path, 'audit.log');
});
afterEach(() => stack.disposeAsync());

function open(): Promise<Telemetry> {
  const configuration = configurationSchema.parse({
    log: { level: 'warn', audit: auditFile },
    telemetry: { otlp: { endpoint: collector.endpoint, protocol: 'grpc', logs: true, metrics: false } },
  });
  return Telemetry.open({ configuration, env: {}, clock: systemClock });
}

function tell(telemetry: Telemetry, events: readonly Event[]): void {
  for (const event of events) telemetry.events(event);
}

function audited(): Promise<string> {
  return readFile(auditFile, 'utf8');
}

test('a trace, audit lines and log records of what happened before are exported, once, with its time', async () => {
  const telemetry = await open();
  const before = BigInt(Math.floor(performance.timeOrigin + performance.now())) * 1_000_000n;
  tell(telemetry, [...ROTATION, { type: 'telemetry_failed', reason: 'a reason' }, SETTLED]);
  const after = BigInt(Math.ceil(performance.timeOrigin + performance.now())) * 1_000_000n;
  await telemetry.loadExporters();
  await telemetry.close();

  const spans = collector.items('traces');
  expect(spans.map(({ name }) => name).sort()).toEqual(['sds.push', 'secrets.update', 'workload_api.fetch_x509_svid']);
  for (const { start_time_unix_nano, end_time_unix_nano } of spans) {
    expect(BigInt(start_time_unix_nano)).toBeGreaterThanOrEqual(before);
    expect(BigInt(end_time_unix_nano)).toBeLessThanOrEqual(after);
  }
  expect(collector.items('logs')).toMatchObject([{ event_name: 'telemetry_failed', body: 'a reason' }]);
  const lines = (await audited()).trim().split('\n');
  expect(lines.filter((line) => line.includes('secret.accepted'))).toHaveLength(1);
});

test('a trace that began before goes on after', async () => {
  const telemetry = await open();
  tell(telemetry, ROTATION.slice(0, -1));
  await telemetry.loadExporters();
  tell(telemetry, [accepted(), SETTLED]);
  await telemetry.close();
  const root = collector.items('traces').find(({ parent_span_id }) => parent_span_id === '');
  expect(root?.attributes).toMatchObject({ 'sds.push.count': 1, 'sds.ack.count': 1 });
});

test('events beyond the bound are counted, and the log says how many', async () => {
  const telemetry = await open();
  for (let i = 0; i < 10_003; i += 1) telemetry.events(SETTLED);
  await telemetry.loadExporters();
  await telemetry.close();
  expect(collector.items('logs')).toMatchObject([{ body: expect.stringContaining('lack 3 entries of the start') }]);
});

test.each([
  ['always_on', true],
  ['always_off', false],
])('with OTEL_TRACES_SAMPLER=%s, exemplars name a trace: %s', async (sampler, named) => {
  process.env['OTEL_TRACES_SAMPLER'] = sampler;
  stack.defer(() => void delete process.env['OTEL_TRACES_SAMPLER']);
  const telemetry = await open();
  telemetry.count(() => ({ connections: 1, streams: 1, subscriptions: 1, held: 0 }));
  await telemetry.loadExporters();
  tell(telemetry, [...ROTATION, SETTLED]);
  const page = telemetry.metrics(OPEN_METRICS);
  await telemetry.close();
  expect(JSON.stringify(page).includes('trace_id')).toBe(named);
  expect(collector.items('traces').length > 0).toBe(named);
});
