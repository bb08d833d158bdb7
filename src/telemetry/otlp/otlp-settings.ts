/**
 * The settings of OTLP: from the configuration and from the variables of the OpenTelemetry specification, which win. This file imports
 * nothing of OpenTelemetry, so that a sidecar that exports nothing does not load it.
 */
import type { Configuration } from '../../config/schema/schema.ts';
import { parseOtlpEndpoint } from '../../config/schema/telemetry-schema.ts';
import type { Environment } from '../../config/source/sources.ts';
import { messageOf } from '../../error.ts';
import { StandardVariables } from '../standard-variables.ts';

/** A signal of OpenTelemetry. */
export type Signal = 'traces' | 'metrics' | 'logs';

/** What is exported, and how. */
export interface OtlpSettings {
  /** A signal that is absent is not exported. */
  readonly signals: Readonly<Partial<Record<Signal, ExporterSettings>>>;
  /** Milliseconds. */
  readonly metricInterval: number;
  /** Milliseconds; not above the interval. */
  readonly metricTimeout: number;
  readonly spans: BatchSettings;
  readonly logRecords: BatchSettings;
}

/** How one signal is exported. */
export interface ExporterSettings {
  readonly protocol: 'grpc' | 'http/protobuf';
  /** For people: without a path, a user or a password. */
  readonly endpoint: string;
  /** `http://…`, `https://…`; with gRPC also `unix:///…`, with HTTP the whole URL. */
  readonly url: string;
  /** With HTTP: where to connect to instead of the URL's host. */
  readonly socketPath?: string;
  readonly tls: boolean;
  /** Paths of PEM files. */
  readonly ca?: string;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
  /** Their values may be secrets. */
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds. */
  readonly timeout: number;
  readonly compression: 'none' | 'gzip';
}

/** Batches of spans or log records. Items beyond the queue are dropped. Times are milliseconds. */
export interface BatchSettings {
  readonly scheduledDelayMillis: number;
  readonly exportTimeoutMillis: number;
  readonly maxQueueSize: number;
  readonly maxExportBatchSize: number;
}

type FileSettings = Configuration['telemetry']['otlp'];

const SIGNALS = ['traces', 'metrics', 'logs'] as const;
const PREFIX = 'OTEL_EXPORTER_OTLP';
/** Characters that both protocols allow in a header. */
const HEADER_VALUE = /^[\x20-\x7e]*$/;
const HEADER_NAME = /^[\w.-]+$/;

/**
 * Reads the settings. A signal is exported when it is on and has an endpoint.
 *
 * @param report called with a sentence for each variable that cannot be used
 * @returns undefined when nothing is exported
 */
export function otlpSettings(
  { otlp }: Pick<Configuration['telemetry'], 'otlp'>,
  env: Environment,
  report: (sentence: string) => void,
): OtlpSettings | undefined {
  const onProblem = once(report);
  const variables = new StandardVariables(env, onProblem);
  if (variables.flag('OTEL_SDK_DISABLED') === true) return undefined;
  const signals = Object.fromEntries(
    SIGNALS.flatMap((signal) => {
      const exporter = exporterSettings(signal, otlp, variables, onProblem);
      return exporter === undefined ? [] : [[signal, exporter]];
    }),
  ) as OtlpSettings['signals'];
  if (Object.keys(signals).length === 0) return undefined;

  if (signals.metrics !== undefined) tellOfAggregation(variables, onProblem);
  const metricInterval = variables.number('OTEL_METRIC_EXPORT_INTERVAL') ?? otlp.metric_interval;
  const metricTimeout = Math.min(variables.number('OTEL_METRIC_EXPORT_TIMEOUT') ?? 30_000, metricInterval);
  return {
    signals,
    metricInterval,
    metricTimeout,
    spans: batchSettings(variables, 'OTEL_BSP', 5000),
    logRecords: batchSettings(variables, 'OTEL_BLRP', 1000),
  };
}

/** Reports each sentence once: one variable can concern all signals. */
function once(report: (sentence: string) => void): (sentence: string) => void {
  const reported = new Set<string>();
  return (sentence) => {
    if (!reported.has(sentence)) report(sentence);
    reported.add(sentence);
  };
}

function exporterSettings(
  signal: Signal,
  file: FileSettings,
  variables: StandardVariables,
  onProblem: (sentence: string) => void,
): ExporterSettings | undefined {
  const names = (option: string) => [`${PREFIX}_${signal.toUpperCase()}_${option}`, `${PREFIX}_${option}`] as const;
  if (!isWanted(signal, file, variables, onProblem)) return undefined;
  const [ofSignal, ofAll] = names('ENDPOINT');
  const source = variables.nameOf([ofSignal, ofAll]);
  const endpoint = source === undefined ? file.endpoint : variables.text(source);
  if (endpoint === undefined) return undefined;

  const protocol = variables.choice(['grpc', 'http/protobuf'], ...names('PROTOCOL')) ?? file.protocol ?? usualProtocol(endpoint);
  const insecure = variables.flag(...names('INSECURE'));
  let target: Target;
  try {
    target = targetOf(endpoint, { protocol, signal, isWhole: source === ofSignal, insecure });
  } catch (error) {
    const reason = messageOf(error).replace(/\/\/[^/\s]*@/, '//');
    onProblem(`${signal} are not exported: ${source ?? 'telemetry.otlp.endpoint'}: ${reason}`);
    return undefined;
  }
  const ca = variables.text(...names('CERTIFICATE')) ?? file.ca;
  const clientCertificate = variables.text(...names('CLIENT_CERTIFICATE')) ?? file.client_certificate;
  const clientKey = variables.text(...names('CLIENT_KEY')) ?? file.client_key;
  return {
    protocol,
    ...target,
    ...(ca !== undefined && { ca }),
    ...(clientCertificate !== undefined && { clientCertificate }),
    ...(clientKey !== undefined && { clientKey }),
    headers: headersOf(names('HEADERS'), file, variables, onProblem),
    timeout: variables.number(...names('TIMEOUT')) ?? file.timeout,
    compression: variables.choice(['gzip', 'none'], ...names('COMPRESSION')) ?? 'none',
  };
}

function isWanted(
  signal: Signal,
  file: FileSettings,
  variables: StandardVariables,
  onProblem: (sentence: string) => void,
): boolean {
  const name = `OTEL_${signal.toUpperCase()}_EXPORTER`;
  const exporters = variables.text(name)?.split(',');
  if (exporters === undefined) return file[signal];
  const others = exporters.map((exporter) => exporter.trim()).filter((exporter) => exporter !== 'otlp' && exporter !== 'none');
  if (others.length > 0) onProblem(`${name}: ${others.join(', ')}: there are only otlp and none`);
  return exporters.some((exporter) => exporter.trim() === 'otlp');
}

/** The standard's default, except where people expect gRPC. */
function usualProtocol(endpoint: string): ExporterSettings['protocol'] {
  return endpoint.startsWith('unix:') || /^(https?:\/\/)?[^/]*:4317(\/|$)/.test(endpoint) ? 'grpc' : 'http/protobuf';
}

type Target = Pick<ExporterSettings, 'endpoint' | 'url' | 'socketPath' | 'tls'>;

interface TargetOptions {
  readonly protocol: ExporterSettings['protocol'];
  readonly signal: Signal;
  /** Whether the URL has the path of the signal: that of a signal's own variable has, the common one has not. */
  readonly isWhole: boolean;
  /** Without TLS, where the endpoint does not tell. */
  readonly insecure: boolean | undefined;
}

/** @throws a sentence when the endpoint will not do */
function targetOf(text: string, { protocol, signal, isWhole, insecure }: TargetOptions): Target {
  const isBare = protocol === 'grpc' && /^[^/\s]+:\d+$/.test(text) && !text.startsWith('unix:');
  const endpoint = parseOtlpEndpoint(isBare ? `${insecure === true ? 'http' : 'https'}://${text}` : text);
  if (endpoint.startsWith('unix:')) {
    const socketPath = endpoint.replace(/^unix:(\/\/)?/, '');
    if (protocol === 'grpc') return { endpoint, url: `unix://${socketPath}`, tls: insecure === false };
    return { endpoint, url: `http://localhost/v1/${signal}`, socketPath, tls: false };
  }
  const url = new URL(endpoint);
  const tls = url.protocol === 'https:';
  const shown = `${url.protocol}//${url.host}`;
  if (protocol === 'grpc') return { endpoint: shown, url: shown, tls };
  if (!isWhole) url.pathname = `${url.pathname.replace(/\/$/, '')}/v1/${signal}`;
  return { endpoint: shown, url: url.href, tls };
}

function headersOf(
  [ofSignal, ofAll]: readonly [string, string],
  file: FileSettings,
  variables: StandardVariables,
  onProblem: (sentence: string) => void,
): Readonly<Record<string, string>> {
  const common = variables.text(ofAll) === undefined ? file.headers : variables.pairs(ofAll);
  const headers = Object.entries({ ...common, ...variables.pairs(ofSignal) });
  return Object.fromEntries(
    headers.filter(([name, value]) => {
      const isGood = HEADER_NAME.test(name) && HEADER_VALUE.test(value);
      if (!isGood) onProblem(`the OTLP header ${JSON.stringify(name)} is left out: write printable ASCII only`);
      return isGood;
    }),
  );
}

function tellOfAggregation(variables: StandardVariables, onProblem: (sentence: string) => void): void {
  const served = { TEMPORALITY_PREFERENCE: 'cumulative', DEFAULT_HISTOGRAM_AGGREGATION: 'explicit_bucket_histogram' };
  for (const [option, value] of Object.entries(served)) {
    const name = `${PREFIX}_METRICS_${option}`;
    const wanted = variables.text(name)?.toLowerCase() ?? value;
    if (wanted !== value) onProblem(`${name} is ignored: ${JSON.stringify(wanted)} is not supported, metrics are ${value}`);
  }
}

/** @param delay the standard's default, which is not the same for both */
function batchSettings(variables: StandardVariables, prefix: 'OTEL_BSP' | 'OTEL_BLRP', delay: number): BatchSettings {
  const maxQueueSize = variables.number(`${prefix}_MAX_QUEUE_SIZE`) ?? 2048;
  return {
    scheduledDelayMillis: variables.number(`${prefix}_SCHEDULE_DELAY`) ?? delay,
    exportTimeoutMillis: variables.number(`${prefix}_EXPORT_TIMEOUT`) ?? 30_000,
    maxQueueSize,
    maxExportBatchSize: Math.min(variables.number(`${prefix}_MAX_EXPORT_BATCH_SIZE`) ?? 512, maxQueueSize),
  };
}
