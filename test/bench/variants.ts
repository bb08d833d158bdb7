/** The servers that are measured, each beside the floor. */
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';
import { bareSubject, type Sizes, type Subject, sidecarSubject } from './subject.ts';

/**
 * `default`: the sidecar that nobody configured. `bare`: without admin API, audit and metrics. `telemetry`: traces and metrics over OTLP
 * every second, a scrape every second, audit lines to a file. `grpc-server`, `grpc-js`: our gRPC server and that of @grpc/grpc-js by
 * themselves.
 */
export const VARIANTS = ['default', 'bare', 'telemetry', 'grpc-server', 'grpc-js'] as const;
export type Variant = (typeof VARIANTS)[number];

const SCRAPE_EVERY_MS = 1_000;
const BARE = { admin: { listen: '' }, log: { audit: '' }, telemetry: { prometheus: false } };

/** A server to measure, and whoever it talks to. */
export interface Opened extends AsyncDisposable {
  readonly subject: Subject;
}

/** @param sizes bytes of what the servers send that are not sidecars */
export async function openVariant(
  variant: Variant,
  folder: string,
  api: TestWorkloadApi,
  rotations: readonly Buffer[],
  sizes: Sizes,
): Promise<Opened> {
  const nothing = { [Symbol.asyncDispose]: () => Promise.resolve() };
  switch (variant) {
    case 'default':
      return { subject: sidecarSubject(folder, api, rotations), ...nothing };
    case 'bare':
      return { subject: sidecarSubject(folder, api, rotations, { configuration: BARE }), ...nothing };
    case 'grpc-server':
      return { subject: bareSubject(folder, 'own', sizes), ...nothing };
    case 'grpc-js':
      return { subject: bareSubject(folder, 'grpc-js', sizes), ...nothing };
    case 'telemetry':
      return openTelemetry(folder, api, rotations);
  }
}

async function openTelemetry(folder: string, api: TestWorkloadApi, rotations: readonly Buffer[]): Promise<Opened> {
  const collector = createServer((request, response) => {
    request.resume();
    request.once('end', () => response.end());
  });
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as AddressInfo;
  const socketPath = join(folder, 'admin.sock');
  const scraper = setInterval(() => {
    get({ socketPath, path: '/metrics', headers: { host: 'localhost' } }, (response) => response.resume()).on('error', () => {});
  }, SCRAPE_EVERY_MS);
  const subject = sidecarSubject(folder, api, rotations, {
    configuration: { admin: { listen: `unix://${socketPath}` }, log: { audit: join(folder, 'audit.json') } },
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_METRIC_EXPORT_INTERVAL: '1000' },
  });
  return {
    subject,
    async [Symbol.asyncDispose]() {
      clearInterval(scraper);
      await new Promise((resolve) => collector.close(resolve).closeAllConnections());
    },
  };
}
