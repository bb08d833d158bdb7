/** Exports by OTLP what others have recorded. It is heavy: import it when there are settings, and after the socket listens. */
import { context, DiagLogLevel, diag, logs, metrics, trace } from '@opentelemetry/api';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor } from '@opentelemetry/sdk-logs';
import { PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace';
import { type Clock, systemClock } from '../../clock.ts';
import { parseEndpoint } from '../../endpoint.ts';
import { messageOf } from '../../error.ts';
import { whyUnreachable } from '../../unreachable.ts';
import { version } from '../../version.ts';
import type { Attributes, Metric } from '../metrics/metric.ts';
import type { Trace, TraceStart } from '../traces/span.ts';
import { ExportProblems } from './export-problems.ts';
import { logExporter, metricExporter, traceExporter } from './otlp-exporters.ts';
import { exportLog, type OtlpLogRecord } from './otlp-logs.ts';
import { metricProducer } from './otlp-metrics.ts';
import type { ExporterSettings, OtlpSettings, Signal } from './otlp-settings.ts';
import { exportTrace, isSampled, RecordedIds } from './otlp-traces.ts';

const SCOPE = 'spiffe-sds';
/** Kubernetes and Docker want the process gone; a collector that does not answer must not hold it. */
const SHUTDOWN_MS = 2000;

export interface OtlpOptions {
  readonly settings: OtlpSettings;
  /** Who speaks: see `resourceAttributes`. */
  readonly resource: Attributes;
  /** Called for each export. */
  readonly collect: () => readonly Metric[];
  /** Milliseconds since the epoch: what counters count from. */
  readonly startedAt: number;
  /** Hears in a sentence what went wrong, each collector's troubles at most once a minute. */
  readonly onProblem: (sentence: string) => void;
  /** Default: the machine's. */
  readonly clock?: Pick<Clock, 'monotonic'>;
}

/** What is exported is queued; a signal that is off is dropped. */
export interface Otlp {
  exportTrace(trace: Trace): void;
  exportLog(record: OtlpLogRecord): void;
  /** Whether `exportTrace` exports a trace that starts so: the sampler decides, and without an exporter no trace is sampled. */
  isSampled(start: TraceStart): boolean;
  /**
   * Sends what is queued, for two seconds at most. Never rejects. An export that hangs then keeps the process alive until its own
   * timeout, so whoever wants to end calls `process.exit`.
   */
  shutdown(): Promise<void>;
}

/**
 * One at a time: OpenTelemetry keeps what it is given in globals.
 * A signal whose files cannot be read is told and off.
 */
export async function startOtlp(options: OtlpOptions): Promise<Otlp> {
  const { settings, resource, collect, startedAt, onProblem, clock = systemClock } = options;
  const problems = new ExportProblems(clock, secretsOf(settings), onProblem);
  diag.setLogger(problemLogger(problems), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const { traces, metrics: metricSettings, logs: logSettings } = settings.signals;

  const spanProcessors = await whenOn('traces', traces, problems, async (of, tellFailures) => {
    return new BatchSpanProcessor({ exporter: tellFailures(await traceExporter(of)), ...settings.spans });
  });
  const metricReaders = await whenOn('metrics', metricSettings, problems, async (of, tellFailures) => {
    return new PeriodicExportingMetricReader({
      exporter: tellFailures(await metricExporter(of)),
      exportIntervalMillis: settings.metricInterval,
      exportTimeoutMillis: settings.metricTimeout,
      metricProducers: [metricProducer(collect, startedAt)],
    });
  });
  const logRecordProcessors = await whenOn('logs', logSettings, problems, async (of, tellFailures) => {
    return new BatchLogRecordProcessor({ exporter: tellFailures(await logExporter(of)), ...settings.logRecords });
  });

  const ids = new RecordedIds();
  // What it is not given it would make up itself, and send to localhost.
  const sdk = withoutConsole(
    () =>
      new NodeSDK({
        resource: resourceFromAttributes(resource),
        autoDetectResources: false,
        instrumentations: [],
        textMapPropagator: null,
        idGenerator: ids,
        spanProcessors,
        metricReaders,
        logRecordProcessors,
      }),
  );
  sdk.start();
  // Spans know their parents; nothing need follow asynchronous calls.
  context.disable();

  const tracer = trace.getTracer(SCOPE, version);
  const logger = logs.getLogger(SCOPE, version);
  let stopped: Promise<void> | undefined;
  return {
    exportTrace: (recorded) => exportTrace(recorded, tracer, ids),
    exportLog: (record) => exportLog(record, logger),
    isSampled: (start) => isSampled(start, tracer, ids),
    shutdown() {
      stopped ??= (async () => {
        if (!(await isDoneWithin(SHUTDOWN_MS, sdk.shutdown()))) {
          problems.hear('shutdown', `what was still to be exported is lost: it was not taken within ${SHUTDOWN_MS} ms`);
        }
        for (const api of [trace, metrics, logs, diag]) api.disable();
      })();
      return stopped;
    },
  };
}

interface Exporter<Items> {
  export(items: Items, done: (result: { code: number; error?: Error }) => void): void;
}

type TellFailures = <Items, E extends Exporter<Items>>(exporter: E & Exporter<Items>) => E;

/** None or one, as the SDK takes them. */
async function whenOn<T>(
  signal: Signal,
  settings: ExporterSettings | undefined,
  problems: ExportProblems,
  create: (settings: ExporterSettings, tellFailures: TellFailures) => Promise<T>,
): Promise<T[]> {
  if (settings === undefined) return [];
  const { endpoint } = settings;
  try {
    return [
      await create(
        settings,
        failuresTold((error) => problems.hear(endpoint, `${signal} do not reach ${endpoint}: ${explained(settings, error)}`)),
      ),
    ];
  } catch (error) {
    problems.hear(`${signal} off`, `${signal} are not exported to ${endpoint}: ${messageOf(error)}`);
    return [];
  }
}

function explained({ endpoint, url }: ExporterSettings, error: Error | undefined): string {
  const why = messageOf(error ?? 'no reason given');
  // Only here does the path matter: it can hold what an operator keeps to himself.
  if ((error as { readonly code?: unknown } | undefined)?.code === NOT_FOUND) return `${why}: it has no ${new URL(url).pathname}`;
  return endpoint.startsWith('unix:') ? whyUnreachable(parseEndpoint(endpoint), why) : why;
}

/** Where it can be said whose failure it is; the SDK then hears of none, or it would tell them all again. */
function failuresTold(tell: (error: Error | undefined) => void): TellFailures {
  return (exporter) => {
    const send = exporter.export.bind(exporter);
    exporter.export = (items, done) =>
      send(items, ({ code, error }) => {
        if (code !== SUCCESS) tell(error);
        done({ code: SUCCESS });
      });
    return exporter;
  };
}

/** `ExportResultCode.SUCCESS` */
const SUCCESS = 0;
/** Of HTTP; gRPC's codes are smaller. */
const NOT_FOUND = 404;

function problemLogger(problems: ExportProblems) {
  const hear = (...words: unknown[]) => problems.hear('OpenTelemetry', `OpenTelemetry: ${words.map(messageOf).join(' ')}`);
  const ignore = () => undefined;
  return { error: hear, warn: hear, info: ignore, debug: ignore, verbose: ignore };
}

/** With OTEL_LOG_LEVEL the SDK would take the console for its messages, and stdout is not its own. */
function withoutConsole<T>(create: () => T): T {
  const { OTEL_LOG_LEVEL: level } = process.env;
  delete process.env['OTEL_LOG_LEVEL'];
  try {
    return create();
  } finally {
    if (level !== undefined) process.env['OTEL_LOG_LEVEL'] = level;
  }
}

/** What must not be told, also when a collector repeats it: headers, the token of `Bearer TOKEN`, and what an URL logs in with. */
function secretsOf({ signals }: OtlpSettings): readonly string[] {
  return Object.values(signals).flatMap(({ headers, url }) => {
    const { username, password } = new URL(url);
    const values = Object.values(headers);
    return [...values, ...values.flatMap((value) => value.split(' ')), username, password];
  });
}

/** Done is also what failed. */
async function isDoneWithin(milliseconds: number, work: Promise<unknown>): Promise<boolean> {
  const { promise: tooLate, resolve } = Promise.withResolvers<false>();
  const timer = setTimeout(resolve, milliseconds, false);
  const done = work.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([done, tooLate]);
  } finally {
    clearTimeout(timer);
  }
}
