import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { configurationSchema } from '../../../src/config/schema/schema.ts';
import { BUCKETS, INSTRUMENTS } from '../../../src/telemetry/metrics/instruments.ts';
import type { Metric } from '../../../src/telemetry/metrics/metric.ts';
import { type Otlp, startOtlp } from '../../../src/telemetry/otlp/otlp.ts';
import { type OtlpSettings, otlpSettings } from '../../../src/telemetry/otlp/otlp-settings.ts';
import type { Span, Trace } from '../../../src/telemetry/traces/span.ts';
import { eventually } from '../../support/eventually.ts';
import { Child } from '../../support/sidecar/child.ts';
import { OtlpReceiver, type ReceiverOptions } from '../../support/telemetry/otlp-receiver.ts';
import { type Issued, issueAuthority, issueLeaf, sans } from '../../support/x509/certificates.ts';

const PROTOCOLS = ['grpc', 'http/protobuf'] as const;
const HOUR = 3_600_000;
const STARTED_AT = 1_790_000_000_000;
const NANOSECONDS = 1_000_000n;
const RESOURCE = { 'service.name': 'spiffe-sds', 'service.instance.id': 'instance-1' };
const LOG_RECORD = { at: STARTED_AT, level: 'info', event: 'listening', body: 'listening', attributes: {} } as const;

let stack: AsyncDisposableStack;
let folder: string;
let problems: string[];

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'otlp-'))).path;
  problems = [];
});
afterEach(() => stack.disposeAsync());

const onProblem = (sentence: string) => problems.push(sentence);
const recovered = (about: string) => problems.push(`${about} is reached again`);

async function receiver(options: ReceiverOptions): Promise<OtlpReceiver> {
  return stack.use(await OtlpReceiver.open(options));
}

/** With all signals on. */
function settingsOf(file: object, env: Readonly<Record<string, string>> = {}): OtlpSettings {
  const { telemetry } = configurationSchema.parse({ telemetry: { otlp: { logs: true, ...file } } });
  const settings = otlpSettings(telemetry, env, onProblem);
  if (settings === undefined) throw new Error('nothing is exported');
  return settings;
}

async function start(file: object, env?: Readonly<Record<string, string>>, metrics: readonly Metric[] = METRICS): Promise<Otlp> {
  const settings = settingsOf(file, env);
  const otlp = await startOtlp({
    settings,
    resource: RESOURCE,
    collect: () => metrics,
    startedAt: STARTED_AT,
    problems: { failed: onProblem, recovered },
  });
  stack.defer(() => otlp.shutdown());
  return otlp;
}

function span(wish: Partial<Span> = {}): Span {
  return {
    name: 'secrets.update',
    spanId: 'b1'.repeat(8),
    start: STARTED_AT,
    end: STARTED_AT + 1,
    attributes: {},
    events: [],
    links: [],
    children: [],
    ...wish,
  };
}

function trace(wish: Partial<Trace> = {}): Trace {
  return { traceId: 'a1'.repeat(16), root: span(), ...wish };
}

const METRICS: readonly Metric[] = [
  {
    instrument: INSTRUMENTS.push,
    points: [{ attributes: { 'secret.kind': 'tls_certificate', 'sds.method': 'delta' }, value: 7 }],
  },
  {
    instrument: INSTRUMENTS.svidNotAfter,
    points: [{ attributes: { 'spiffe.id': 'spiffe://example.org/a' }, value: 1_790_003_600.5 }],
  },
  { instrument: INSTRUMENTS.ack, points: [] },
  {
    instrument: INSTRUMENTS.pushDuration,
    points: [
      {
        attributes: { 'secret.kind': 'tls_certificate' },
        count: 3,
        sum: 31.002,
        buckets: [0, 0, 2, ...BUCKETS.slice(3).map(() => 0), 1],
        exemplars: [],
      },
    ],
  },
];

describe.each(PROTOCOLS)('over %s', (protocol) => {
  test('metrics, traces and log records arrive', async () => {
    const collector = await receiver({ protocol });
    const otlp = await start({ endpoint: collector.endpoint, protocol });
    otlp.exportTrace(trace());
    otlp.exportLog(LOG_RECORD);
    await otlp.shutdown();
    expect(new Set(collector.received.map(({ signal }) => signal))).toEqual(new Set(['traces', 'metrics', 'logs']));
    for (const { resource } of collector.received) expect(resource).toEqual(RESOURCE);
    expect(problems).toEqual([]);
  });

  test('they arrive on a Unix socket', async () => {
    const collector = await receiver({ protocol, socketPath: join(folder, 'otel.sock') });
    const otlp = await start({ endpoint: collector.endpoint, protocol });
    otlp.exportTrace(trace());
    otlp.exportLog(LOG_RECORD);
    await otlp.shutdown();
    expect(new Set(collector.received.map(({ signal }) => signal))).toEqual(new Set(['traces', 'metrics', 'logs']));
  });

  test('they arrive with the headers, compressed', async () => {
    const collector = await receiver({ protocol });
    const env = { OTEL_EXPORTER_OTLP_HEADERS: 'x-tenant=green%20team', OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip' };
    const otlp = await start({ endpoint: collector.endpoint, protocol }, env);
    otlp.exportTrace(trace());
    await otlp.shutdown();
    const { headers } = await collector.first('traces');
    expect(headers).toMatchObject({ 'x-tenant': 'green team' });
    expect(collector.items('traces')).toHaveLength(1);
  });

  test('each signal goes to its own endpoint', async () => {
    const [one, other] = [await receiver({ protocol }), await receiver({ protocol })];
    const path = protocol === 'grpc' ? '' : '/tenant/v1/traces';
    const env = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${one.endpoint}${path}`, OTEL_EXPORTER_OTLP_ENDPOINT: other.endpoint };
    const otlp = await start({ protocol, logs: false }, env);
    otlp.exportTrace(trace());
    otlp.exportLog(LOG_RECORD);
    await otlp.shutdown();
    expect(one.received.map(({ signal }) => signal)).toEqual(['traces']);
    expect(other.received.map(({ signal }) => signal)).toEqual(['metrics']);
    if (protocol !== 'grpc') expect([one.paths, other.paths]).toEqual([['/tenant/v1/traces'], ['/v1/metrics']]);
  });

  test('TLS is spoken with a CA and a client certificate of its own', async () => {
    const { files, tls } = await certificates();
    const collector = await receiver({ protocol, tls });
    const otlp = await start({ endpoint: collector.endpoint, protocol, ...files });
    otlp.exportTrace(trace());
    await otlp.shutdown();
    expect(problems).toEqual([]);
    expect(collector.items('traces')).toHaveLength(1);
  });

  test('nothing is sent to a collector that the CA does not vouch for', async () => {
    const { files } = await certificates();
    const { tls } = await certificates();
    const collector = await receiver({ protocol, tls });
    const otlp = await start({ endpoint: collector.endpoint, protocol, ...files, metrics: false });
    otlp.exportTrace(trace());
    await otlp.shutdown();
    expect(collector.received).toEqual([]);
    expect(problems).toEqual([expect.stringMatching(/^traces do not reach https:\/\/localhost:\d+: .*certificate/)]);
  });

  test('a signal whose files cannot be read is reported and off, the others go on', async () => {
    const collector = await receiver({ protocol });
    const { files, tls } = await certificates();
    const safe = await receiver({ protocol, tls });
    const env = {
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: safe.endpoint,
      OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY: join(folder, 'absent.pem'),
    };
    const otlp = await start({ endpoint: collector.endpoint, protocol, ...files, logs: false }, env);
    otlp.exportTrace(trace());
    await otlp.shutdown();
    expect(problems).toEqual([expect.stringMatching(/^traces are not exported to https:.*ENOENT.*absent\.pem/)]);
    expect(collector.received.map(({ signal }) => signal)).toEqual(['metrics']);
  });

  test('a collector that is gone is reported once, and does not delay the end', async () => {
    const otlp = await start(
      { endpoint: `http://127.0.0.1:${await closedPort()}`, protocol },
      { OTEL_EXPORTER_OTLP_TIMEOUT: '200', OTEL_BSP_SCHEDULE_DELAY: '1', OTEL_METRIC_EXPORT_INTERVAL: '10000' },
    );
    for (let i = 0; i < 100; i += 1) otlp.exportTrace(trace());
    otlp.exportLog(LOG_RECORD);
    await otlp.shutdown();
    expect(problems).toEqual([expect.stringMatching(/^(traces|metrics|logs) do not reach http:\/\/127\.0\.0\.1:\d+: /)]);
  });

  test('a collector that never answers holds neither memory beyond the queue nor the end', async () => {
    const collector = await receiver({ protocol, answer: 'never' });
    const otlp = await start(
      { endpoint: collector.endpoint, protocol, metrics: false },
      { OTEL_BSP_SCHEDULE_DELAY: '1', OTEL_BSP_MAX_QUEUE_SIZE: '100', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '50' },
    );
    for (let i = 0; i < 50; i += 1) otlp.exportTrace(trace());
    await collector.first('traces');
    for (let i = 0; i < 10_000; i += 1) otlp.exportTrace(trace());
    // Ends after two seconds, or this test does not end.
    await otlp.shutdown();
    expect(collector.items('traces').length).toBeLessThanOrEqual(150);
    expect(problems).toEqual([expect.stringMatching(/^what was still to be exported is lost/)]);
  });

  test('what a collector refuses is reported once, without the headers that it repeats', async () => {
    const collector = await receiver({ protocol, answer: 'refused', refusal: 'no such token: s3cr3t-t0ken' });
    const env = { OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Bearer%20s3cr3t-t0ken' };
    const otlp = await start({ endpoint: collector.endpoint, protocol }, env);
    otlp.exportTrace(trace());
    await otlp.shutdown();
    expect(problems).toEqual([expect.stringContaining('no such token: [redacted]')]);
  });

  test('that a collector takes only a part is reported', async () => {
    const collector = await receiver({ protocol, answer: 'partly taken', refusal: 'too old\nby far' });
    const otlp = await start({ endpoint: collector.endpoint, protocol, metrics: false });
    otlp.exportTrace(trace());
    await otlp.shutdown();
    expect(problems).toEqual([expect.stringMatching(/^OpenTelemetry: Received Partial Success response: .*too old\\nby far/)]);
  });
});

test('a path that a collector does not have is named, for it may be one too many', async () => {
  await using collector = createHttpServer((_, response) => response.writeHead(404).end());
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}/v1/traces`;
  const otlp = await start({ endpoint, protocol: 'http/protobuf', metrics: false });
  otlp.exportTrace(trace());
  await otlp.shutdown();
  expect(problems).toEqual([expect.stringMatching(/^traces do not reach .*: Not Found: it has no \/v1\/traces\/v1\/traces$/)]);
});

test('a collector that comes back is told, when it has taken something', async () => {
  const port = await closedPort();
  const endpoint = `http://127.0.0.1:${port}`;
  const otlp = await start(
    { endpoint, protocol: 'http/protobuf', metrics: false },
    { OTEL_BSP_SCHEDULE_DELAY: '10', OTEL_BSP_EXPORT_TIMEOUT: '100', OTEL_EXPORTER_OTLP_TIMEOUT: '100' },
  );
  otlp.exportTrace(trace());
  await eventually('a failure', async () => problems.length > 0 || undefined);
  await using collector = createHttpServer((_, response) => response.end());
  await new Promise<void>((resolve) => collector.listen(port, '127.0.0.1', resolve));
  otlp.exportTrace(trace());
  await eventually('that it is over', async () => problems.length > 1 || undefined);
  expect(problems).toEqual([expect.stringContaining(`traces do not reach ${endpoint}: `), `${endpoint} is reached again`]);
});

test('OpenTelemetry writes nothing to the console, whatever OTEL_LOG_LEVEL says', async () => {
  const settings = settingsOf({ endpoint: `http://127.0.0.1:${await closedPort()}`, protocol: 'grpc' });
  const module = new URL('../../../src/telemetry/otlp/otlp.ts', import.meta.url).href;
  const script = `
    const { startOtlp } = await import(${JSON.stringify(module)});
    const settings = ${JSON.stringify(settings)};
    const otlp = await startOtlp({ settings, resource: {}, collect: () => [], startedAt: 0, problems: { failed() {}, recovered() {} } });
    otlp.exportTrace(${JSON.stringify(trace())});
    await otlp.shutdown();
    console.log('level ' + process.env.OTEL_LOG_LEVEL);`;
  const args = ['--input-type=module', '--eval', script];
  const child = stack.use(new Child(process.execPath, args, { ...process.env, OTEL_LOG_LEVEL: 'all' }));
  expect(await child.ended()).toBe(0);
  expect(child.log).toBe('level all\n');
});

test('what was not measured is not sent', async () => {
  const collector = await receiver({ protocol: 'grpc' });
  const otlp = await start({ endpoint: collector.endpoint, protocol: 'grpc' }, {}, []);
  await otlp.shutdown();
  expect(collector.received).toEqual([]);
});

describe('a trace', () => {
  async function exported(recorded: Trace, env: Readonly<Record<string, string>> = {}) {
    const collector = await receiver({ protocol: 'grpc' });
    const otlp = await start({ endpoint: collector.endpoint, protocol: 'grpc', metrics: false }, env);
    otlp.exportTrace(recorded);
    await otlp.shutdown();
    return collector.items('traces');
  }

  test('keeps its ids, parents and times', async () => {
    const child = span({ spanId: 'c1'.repeat(8), start: STARTED_AT + 0.25, end: STARTED_AT + 0.5 });
    const sibling = span({ spanId: 'd1'.repeat(8) });
    const spans = await exported(trace({ root: span({ children: [child, sibling] }) }));
    const ids = spans.map(({ trace_id, span_id, parent_span_id }) => [trace_id, span_id, parent_span_id]);
    const traceId = 'a1'.repeat(16);
    expect(ids).toEqual([
      [traceId, child.spanId, 'b1'.repeat(8)],
      [traceId, sibling.spanId, 'b1'.repeat(8)],
      [traceId, 'b1'.repeat(8), ''],
    ]);
    const start = BigInt(STARTED_AT) * NANOSECONDS;
    expect(spans[0]).toMatchObject({
      start_time_unix_nano: `${start + 250_000n}`,
      end_time_unix_nano: `${start + 500_000n}`,
    });
  });

  test('keeps its attributes, events, links and failures', async () => {
    const link = { traceId: 'e1'.repeat(16), spanId: 'f1'.repeat(8), flags: 1 };
    const root = span({
      attributes: { 'secret.names': ['default', 'ROOTCA'], 'sds.pushes': 2, 'sds.late': false },
      events: [{ name: 'secret.encoded', at: STARTED_AT + 0.5, attributes: { bytes: 1024 } }],
      links: [link],
      error: 'rejected: no such key',
    });
    expect(await exported(trace({ root }))).toMatchObject([
      {
        attributes: root.attributes,
        events: [
          {
            name: 'secret.encoded',
            time_unix_nano: `${BigInt(STARTED_AT) * NANOSECONDS + 500_000n}`,
            attributes: { bytes: 1024 },
          },
        ],
        links: [{ trace_id: link.traceId, span_id: link.spanId }],
        status: { code: 2, message: 'rejected: no such key' },
      },
    ]);
  });

  test('has a fetch as a client, a push as a producer, and the rest as internal', async () => {
    const push = span({ name: 'sds.push', spanId: 'c1'.repeat(8) });
    const update = span({ name: 'secrets.update', spanId: 'd1'.repeat(8), children: [push] });
    const spans = await exported(trace({ root: span({ name: 'workload_api.fetch_x509_svid', children: [update] }) }));
    expect(Object.fromEntries(spans.map(({ name, kind }) => [name, kind]))).toEqual({
      'workload_api.fetch_x509_svid': 3,
      'secrets.update': 1,
      'sds.push': 4,
    });
  });

  test('goes on that of a remote parent, which also decides whether it is sampled', async () => {
    const parent = { traceId: 'a1'.repeat(16), spanId: '91'.repeat(8), flags: 1 };
    expect(await exported(trace({ parent }))).toMatchObject([{ trace_id: parent.traceId, parent_span_id: parent.spanId }]);
    expect(await exported(trace({ parent: { ...parent, flags: 0 } }))).toEqual([]);
  });

  test('is sampled as OTEL_TRACES_SAMPLER says', async () => {
    process.env['OTEL_TRACES_SAMPLER'] = 'always_off';
    stack.defer(() => void delete process.env['OTEL_TRACES_SAMPLER']);
    expect(await exported(trace())).toEqual([]);
  });

  test.each([
    [undefined, true],
    ['always_on', true],
    ['always_off', false],
    ['parentbased_always_off', false],
  ])('is known to be sampled or not before it ends: OTEL_TRACES_SAMPLER=%s', async (sampler, sampled) => {
    if (sampler !== undefined) process.env['OTEL_TRACES_SAMPLER'] = sampler;
    stack.defer(() => void delete process.env['OTEL_TRACES_SAMPLER']);
    const collector = await receiver({ protocol: 'grpc' });
    const otlp = await start({ endpoint: collector.endpoint, protocol: 'grpc', metrics: false });
    const { traceId, root } = trace();
    expect(otlp.isSampled({ traceId, spanId: root.spanId, name: root.name })).toBe(sampled);
    await otlp.shutdown();
    // To ask exports nothing.
    expect(collector.items('traces')).toEqual([]);
  });

  test('of a remote parent is known to be sampled as that is', async () => {
    const collector = await receiver({ protocol: 'grpc' });
    const otlp = await start({ endpoint: collector.endpoint, protocol: 'grpc', metrics: false });
    const parent = { traceId: 'a1'.repeat(16), spanId: '91'.repeat(8), flags: 1 };
    const started = { traceId: parent.traceId, spanId: 'b1'.repeat(8), name: 'sds.push' };
    expect([otlp.isSampled({ ...started, parent }), otlp.isSampled({ ...started, parent: { ...parent, flags: 0 } })]).toEqual([
      true,
      false,
    ]);
  });

  test('is not sampled when traces are not exported', async () => {
    const collector = await receiver({ protocol: 'grpc' });
    const otlp = await start({ endpoint: collector.endpoint, protocol: 'grpc', traces: false });
    const { traceId, root } = trace();
    expect(otlp.isSampled({ traceId, spanId: root.spanId, name: root.name })).toBe(false);
  });
});

test('metrics are cumulative from the start, with units, descriptions and the bounds of the buckets', async () => {
  const collector = await receiver({ protocol: 'grpc' });
  const env = { OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: 'delta', OTEL_METRIC_EXPORT_INTERVAL: '50' };
  await start({ endpoint: collector.endpoint, protocol: 'grpc' }, env);
  const { items } = await collector.first('metrics');
  const start_time_unix_nano = `${BigInt(STARTED_AT) * NANOSECONDS}`;
  const { push, svidNotAfter, pushDuration } = INSTRUMENTS;
  expect(items).toMatchObject([
    {
      name: 'spiffe.sds.push',
      unit: '{secret}',
      description: push.description,
      sum: {
        temporality: 2,
        monotonic: true,
        points: [{ start_time_unix_nano, as_int: '7', attributes: { 'secret.kind': 'tls_certificate', 'sds.method': 'delta' } }],
      },
    },
    {
      name: 'spiffe.svid.not_after',
      unit: 's',
      description: svidNotAfter.description,
      gauge: { points: [{ as_double: 1_790_003_600.5, attributes: { 'spiffe.id': 'spiffe://example.org/a' } }] },
    },
    {
      name: 'spiffe.sds.push.duration',
      unit: 's',
      description: pushDuration.description,
      histogram: {
        temporality: 2,
        points: [
          {
            start_time_unix_nano,
            count: '3',
            sum: 31.002,
            explicit_bounds: [...BUCKETS],
            bucket_counts: ['0', '0', '2', ...BUCKETS.slice(3).map(() => '0'), '1'],
            attributes: { 'secret.kind': 'tls_certificate' },
          },
        ],
      },
    },
  ]);
  expect(problems).toEqual([expect.stringContaining('TEMPORALITY_PREFERENCE')]);
});

test('a log record has a severity, a name, a sentence and attributes', async () => {
  const collector = await receiver({ protocol: 'grpc' });
  const otlp = await start({ endpoint: collector.endpoint, protocol: 'grpc' });
  const attributes = { names: ['default'], peer: { uid: 101, pid: 7 }, late: false };
  otlp.exportLog({ at: STARTED_AT + 0.5, level: 'warn', event: 'names_held', body: 'a name is held', attributes });
  await otlp.shutdown();
  expect(collector.items('logs')).toMatchObject([
    {
      time_unix_nano: `${BigInt(STARTED_AT) * NANOSECONDS + 500_000n}`,
      severity_number: 13,
      severity_text: 'WARN',
      event_name: 'names_held',
      body: 'a name is held',
      attributes,
    },
  ]);
});

/** A CA, what a collector needs of it, and what its clients do. */
async function certificates() {
  const validity = { notBefore: Date.now() - HOUR, notAfter: Date.now() + HOUR };
  const authority = await issueAuthority({ name: crypto.randomUUID(), ...validity });
  const server = await issueLeaf(authority, 'spiffe://example.org/collector', { ...validity, uris: [], extensions: [LOOPBACK] });
  const client = await issueLeaf(authority, 'spiffe://example.org/sidecar', validity);
  const ca = authority.certificate.toString('pem');
  const path = async (content: string) => {
    const file = join(folder, crypto.randomUUID());
    await writeFile(file, content);
    return file;
  };
  return {
    files: {
      ca: await path(ca),
      client_certificate: await path(client.certificate.toString('pem')),
      client_key: await path(keyOf(client)),
    },
    tls: { ca, key: keyOf(server), cert: server.certificate.toString('pem') },
  };
}

const LOOPBACK = sans('dns', ['localhost']);

function keyOf({ privateKey }: Issued): string {
  return `-----BEGIN PRIVATE KEY-----\n${privateKey.toString('base64')}\n-----END PRIVATE KEY-----\n`;
}

/** Where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
  await new Promise((resolve) => server.close(resolve));
  return port;
}
