/** Makes OpenTelemetry's exporters from settings. */
import { readFile } from 'node:fs/promises';
import { credentials, Metadata } from '@grpc/grpc-js';
import { OTLPLogExporter as GrpcLogExporter } from '@opentelemetry/exporter-logs-otlp-grpc';
import { OTLPLogExporter as HttpLogExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter as GrpcMetricExporter } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPMetricExporter as HttpMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as GrpcTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as HttpTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import type { ExporterSettings } from './otlp-settings.ts';

type GrpcOptions = NonNullable<ConstructorParameters<typeof GrpcTraceExporter>[0]>;
type HttpOptions = NonNullable<ConstructorParameters<typeof HttpTraceExporter>[0]>;

/**
 * Makes the exporter of traces.
 * @throws when a file cannot be read or holds no key or certificate
 */
export async function traceExporter(settings: ExporterSettings): Promise<GrpcTraceExporter | HttpTraceExporter> {
  if (settings.protocol === 'grpc') return new GrpcTraceExporter(await grpcOptions(settings));
  return new HttpTraceExporter(await httpOptions(settings));
}

/**
 * Makes the exporter of metrics.
 * @throws as `traceExporter` does
 */
export async function metricExporter(settings: ExporterSettings): Promise<GrpcMetricExporter | HttpMetricExporter> {
  if (settings.protocol === 'grpc') return new GrpcMetricExporter(await grpcOptions(settings));
  return new HttpMetricExporter(await httpOptions(settings));
}

/**
 * Makes the exporter of logs.
 * @throws as `traceExporter` does
 */
export async function logExporter(settings: ExporterSettings): Promise<GrpcLogExporter | HttpLogExporter> {
  if (settings.protocol === 'grpc') return new GrpcLogExporter(await grpcOptions(settings));
  return new HttpLogExporter(await httpOptions(settings));
}

async function grpcOptions(settings: ExporterSettings): Promise<GrpcOptions> {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(settings.headers)) metadata.set(name, value);
  const { ca = null, key = null, cert = null } = settings.tls ? await tlsFiles(settings) : {};
  return {
    ...commonOptions(settings),
    metadata,
    credentials: settings.tls ? credentials.createSsl(ca, key, cert) : credentials.createInsecure(),
  };
}

async function httpOptions(settings: ExporterSettings): Promise<HttpOptions> {
  return {
    ...commonOptions(settings),
    headers: { ...settings.headers },
    httpAgentOptions: {
      keepAlive: true,
      ...(settings.socketPath !== undefined && { socketPath: settings.socketPath }),
      ...(settings.tls && (await tlsFiles(settings))),
    },
  };
}

function commonOptions({ url, timeout, compression }: ExporterSettings) {
  return { url, timeoutMillis: timeout, compression: compression as NonNullable<GrpcOptions['compression']> };
}

async function tlsFiles({ ca, clientKey, clientCertificate }: ExporterSettings) {
  return {
    ...(ca !== undefined && { ca: await readFile(ca) }),
    ...(clientKey !== undefined && { key: await readFile(clientKey) }),
    ...(clientCertificate !== undefined && { cert: await readFile(clientCertificate) }),
  };
}
