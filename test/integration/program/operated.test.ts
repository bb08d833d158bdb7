/** `serve` as operators run it: what it tells, where, and how it ends. */
import { mkdtempDisposable, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { AuditRecord } from '../../../src/telemetry/audit/audit-events.ts';
import { eventually } from '../../support/eventually.ts';
import { SdsClient } from '../../support/sds/sds-client.ts';
import { ask } from '../../support/sidecar/admin.ts';
import { Child } from '../../support/sidecar/child.ts';
import { OtlpReceiver, type ReceivedLogRecord, type ReceivedSpan } from '../../support/telemetry/otlp-receiver.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const MAIN = join(import.meta.dirname, '..', '..', '..', 'src', 'cli', 'main.ts');
const ENV = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_|TRACE)/.test(name)));
const WEB = 'spiffe://example.org/web';
const STARTER = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };

// Whole processes, several at a time on a machine that may be busy.
vi.setConfig({ testTimeout: 30_000 });

let stack: AsyncDisposableStack;
let folder: string;
let workloadApi: TestWorkloadApi;
let client: SdsClient;
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  folder = stack.use(await mkdtempDisposable(join(tmpdir(), 'spiffe-sds-'))).path;
  const address = `unix://${folder}/workload.sock`;
  workloadApi = stack.use(await TestWorkloadApi.start({ address, rotateEveryMs: 0, identities: [{ path: '/web' }] }));
  client = stack.use(new SdsClient(join(folder, 'sds.sock')));
});
afterEach(() => stack.disposeAsync());

/** It has loaded everything that it loads later. */
async function serve(configuration: string, env: NodeJS.ProcessEnv = {}): Promise<Child> {
  const file = join(folder, 'spiffe-sds.yaml');
  await writeFile(file, `${configuration}\nadmin: { listen: "unix://${folder}/admin.sock" }\n`);
  const sockets = { SPIFFE_ENDPOINT_SOCKET: workloadApi.address, SPIFFE_SDS_LISTEN: `unix://${folder}/sds.sock` };
  const args = ['--disable-sigusr1', MAIN, 'serve', '--config', file];
  const child = stack.use(new Child(process.execPath, args, { ...ENV, ...sockets, ...env }));
  await child.written(/"event":"admin_listening"/);
  return child;
}

describe('audit lines', () => {
  const recordsIn = (text: string): readonly AuditRecord[] =>
    text.split('\n').flatMap((line) => (line.includes('"event_type"') ? [JSON.parse(line)] : []));

  test('go to stdout by default, from the first event on, and say who got a certificate and took it', async () => {
    const child = await serve('');
    await client
      .stream()
      .request([WEB], { node: { id: 'edge' } })
      .accept();
    await child.written(/secret\.accepted/);
    await child.stop();
    const actor = { connection: 1, uid: process.getuid?.(), gid: process.getgid?.(), pid: process.pid, node: 'edge' };
    const resource = { name: WEB, kind: 'tls_certificate', version: expect.any(String) };
    expect(recordsIn(child.log).map(({ event_type }) => event_type)).toEqual([
      'service.started',
      'workload.authorized',
      'bundle.updated',
      'identity.received',
      'secret.delivered',
      'secret.accepted',
      'service.stopped',
    ]);
    expect(recordsIn(child.log).slice(4, 6)).toMatchObject([
      { actor, resource, action: 'deliver', result: 'success' },
      { actor, resource, action: 'accept', result: 'success' },
    ]);
  });

  test('go to a file, and to a new one after SIGHUP', async () => {
    const path = join(folder, 'audit.json');
    const child = await serve(`log: { audit: ${path} }`);
    await eventually('the first lines', async () =>
      (await readFile(path, 'utf8')).includes('identity.received') ? true : undefined,
    );
    await rename(path, `${path}.1`);
    process.kill(child.pid, 'SIGHUP');
    await child.written(/"event":"configuration_reloaded"/);
    await eventually('the new file', async () =>
      (await readFile(path, 'utf8')).includes('configuration.changed') ? true : undefined,
    );
    expect(await readFile(`${path}.1`, 'utf8')).toContain('identity.received');
  });
});

describe('a collector', () => {
  test('gets the trace of the first message, which continues the one that started the process', async () => {
    const collector = stack.use(await OtlpReceiver.open({ protocol: 'grpc' }));
    await serve('', {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_BSP_SCHEDULE_DELAY: '100',
      TRACEPARENT: `00-${STARTER.traceId}-${STARTER.spanId}-01`,
    });
    const spans = await eventually('spans', async () => {
      const received = collector.received.flatMap(({ signal, items }) => (signal === 'traces' ? (items as ReceivedSpan[]) : []));
      return received.length >= 2 ? received : undefined;
    });
    const root = spans.find(({ name }) => name === 'workload_api.fetch_x509_svid');
    const update = spans.find(({ name }) => name === 'secrets.update');
    expect(root).toMatchObject({ trace_id: STARTER.traceId, parent_span_id: STARTER.spanId });
    expect(update).toMatchObject({ trace_id: STARTER.traceId, parent_span_id: root?.span_id });
  });

  test('gets the log from its first line on, when that is wanted, and the traces that are open at the end', async () => {
    const collector = stack.use(await OtlpReceiver.open({ protocol: 'grpc' }));
    const env = {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_LOGS_EXPORTER: 'otlp',
    };
    const child = await serve('', env);
    const stream = client.stream().request([WEB]);
    await stream.accept();
    await workloadApi.rotate();
    await stream.next();
    await child.written(/"event":"svid_rotated"/);
    expect(await child.stop()).toBe(0);
    const of = (wanted: string) => collector.received.flatMap(({ signal, items }) => (signal === wanted ? items : []));
    expect((of('logs') as ReceivedLogRecord[]).map(({ event_name }) => event_name)).toContain('listening');
    const roots = (of('traces') as ReceivedSpan[]).filter(({ name }) => name === 'workload_api.fetch_x509_svid');
    expect(roots.map(({ attributes }) => attributes['sds.unanswered.count'])).toContainEqual(1);
  });

  test('gets what the process takes of its machine', async () => {
    const collector = stack.use(await OtlpReceiver.open({ protocol: 'grpc' }));
    await serve('', {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
      OTEL_METRIC_EXPORT_INTERVAL: '100',
    });
    const { items } = await collector.first('metrics');
    const named = (wanted: string) => items.find(({ name }) => name === wanted);
    const cpu = (mode: string) => ({ attributes: { 'cpu.mode': mode }, as_double: expect.any(Number) });
    expect(named('process.cpu.time')).toMatchObject({
      unit: 's',
      sum: { temporality: 2, monotonic: true, points: [cpu('user'), cpu('system')] },
    });
    expect(named('process.memory.usage')).toMatchObject({
      unit: 'By',
      sum: { temporality: 2, monotonic: false, points: [{ as_double: expect.any(Number) }] },
    });
  });

  test('that never answers does not keep the process from ending', async () => {
    const collector = stack.use(await OtlpReceiver.open({ protocol: 'http/protobuf', answer: 'never' }));
    const child = await serve('', { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, OTEL_BSP_SCHEDULE_DELAY: '50' });
    await eventually('a request', async () => collector.paths.length > 0 || undefined);
    // Killed after five seconds.
    expect(await child.stop()).toBe(0);
  });

  test('that is nowhere is told of in the log, and serving goes on', async () => {
    const quick = { OTEL_EXPORTER_OTLP_TIMEOUT: '200', OTEL_BSP_SCHEDULE_DELAY: '50' };
    const child = await serve('', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', ...quick });
    await child.written(/"event":"telemetry_failed".*127\.0\.0\.1:9/);
    expect(await client.stream().request([WEB]).secrets()).toHaveLength(1);
  });

  test('that is named wrongly by a variable is told of, and serving goes on', async () => {
    const child = await serve('', { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector' });
    await child.written(/"event":"telemetry_failed".*OTEL_EXPORTER_OTLP_ENDPOINT/);
    expect(await client.stream().request([WEB]).secrets()).toHaveLength(1);
  });
});

test('/metrics has what the process takes of its machine, read when it is asked for', async () => {
  await serve('');
  const cpu = async () => {
    const { body } = await ask({ socketPath: join(folder, 'admin.sock') }, '/metrics');
    return Number(/^process_cpu_seconds_total (\S+)$/m.exec(body)?.[1]);
  };
  const before = await cpu();
  expect(await cpu()).toBeGreaterThan(before);
});

test('a configuration that cannot be used is told in log, metrics and status', async () => {
  const child = await serve('');
  await writeFile(join(folder, 'spiffe-sds.yaml'), 'nmaes: {}\n');
  await child.written(/"event":"configuration_rejected"/);
  const status = stack.use(
    new Child(process.execPath, [MAIN, 'status', '--admin', `unix://${folder}/admin.sock`, '--output', 'json'], ENV),
  );
  expect(await status.ended()).toBe(0);
  expect(JSON.parse(status.log).configuration.last_reload.problem).toContain('did you mean "names"');
});
