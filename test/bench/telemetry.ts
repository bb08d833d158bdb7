/** What telemetry costs: the sidecar with all of it on, beside the same sidecar with all of it off, in turn. */
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';
import { measureFanOut, measureMemory, measureReady } from './measures.ts';
import { median } from './statistics.ts';
import { type Subject, sidecarSubject } from './subject.ts';

const SCRAPE_EVERY_MS = 1_000;

/** Nothing listens, and nobody is told anything. */
const OFF = { admin: { listen: '' }, log: { audit: '' }, telemetry: { prometheus: false } };

export interface TelemetryCounts {
  /** How often the two are measured, one after the other. */
  readonly pairs: number;
  readonly starts: number;
  readonly streams: number;
  readonly pushes: number;
  readonly idleMs: number;
}

export interface Cost {
  readonly what: string;
  readonly unit: string;
  readonly on: number;
  readonly off: number;
  /** The median of what each pair shows. */
  readonly added: number;
  readonly goal: string;
}

/** Traces and metrics over OTLP every second, a scrape every second; and in the last row audit lines to a file, two for each push. */
export async function measureTelemetry(
  folder: string,
  api: TestWorkloadApi,
  rotations: readonly Buffer[],
  counts: TelemetryCounts,
): Promise<readonly Cost[]> {
  await using collector = await openCollector();
  const admin = join(folder, 'admin.sock');
  const told = (audit: string) =>
    sidecarSubject(folder, api, rotations, {
      configuration: { admin: { listen: `unix://${admin}` }, log: { audit } },
      env: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_METRIC_EXPORT_INTERVAL: '1000' },
    });
  const on = told('');
  const audited = told(join(folder, 'audit.json'));
  const off = sidecarSubject(folder, api, rotations, { configuration: OFF });
  await using _scraper = scrape(admin);
  const { pairs, starts, streams, pushes, idleMs } = counts;
  const fanOut = (subject: Subject, acknowledge: boolean) =>
    measureFanOut(subject, { connections: 1, streams, pushes, acknowledge }).then(({ cpuUs }) => cpuUs);
  const pair = (what: string, unit: string, goal: string, measure: (subject: Subject) => Promise<number>, subject = on) =>
    paired(pairs, subject, off, measure).then((cost) => ({ what, unit, goal, ...cost }));
  return [
    await pair('spawn to first answer', 'ms', 'unchanged', (subject) => measureReady(subject, starts)),
    await pair(
      'resident memory, idle, one subscriber, audited',
      'MB',
      '≤ 12 MB',
      (subject) => measureMemory(subject, 1, idleMs),
      audited,
    ),
    await pair(`push to ${streams} streams: CPU for each`, 'µs', '≤ 15 %', (subject) => fanOut(subject, false)),
    await pair(`push to ${streams} streams: CPU for each with its ACK`, 'µs', '≤ 15 %', (subject) => fanOut(subject, true)),
    await pair('the same, audited', 'µs', '', (subject) => fanOut(subject, true), audited),
  ];
}

async function paired(
  pairs: number,
  on: Subject,
  off: Subject,
  measure: (subject: Subject) => Promise<number>,
): Promise<Pick<Cost, 'on' | 'off' | 'added'>> {
  const measured: { readonly on: number; readonly off: number }[] = [];
  for (let i = 0; i < pairs; i++) measured.push({ on: await measure(on), off: await measure(off) });
  return {
    on: median(measured.map(({ on }) => on)),
    off: median(measured.map(({ off }) => off)),
    added: median(measured.map(({ on, off }) => on - off)),
  };
}

/** Takes whatever is exported. */
async function openCollector(): Promise<AsyncDisposable & { readonly url: string }> {
  const server = createServer((request, response) => {
    request.resume();
    request.once('end', () => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()),
  };
}

/** Reads the metrics of whoever listens there. */
function scrape(socketPath: string): AsyncDisposable {
  const timer = setInterval(() => {
    get({ socketPath, path: '/metrics', headers: { host: 'localhost' } }, (response) => response.resume()).on('error', () => {});
  }, SCRAPE_EVERY_MS);
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
    },
  };
}
