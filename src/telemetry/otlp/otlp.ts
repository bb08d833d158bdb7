/** Exports traces, metrics and log records by OTLP. It is slow to load: import it only with settings, and after the socket listens. */
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
import { SERVICE_NAME, version } from '../../version.ts';
import type { Attributes, Metric } from '../metrics/metric.ts';
import type { Trace, TraceStart } from '../traces/span.ts';
import { ExportProblems, type ProblemListener } from './export-problems.ts';
import { logExporter, metricExporter, traceExporter } from './otlp-exporters.ts';
import { exportLog, type OtlpLogRecord } from './otlp-logs.ts';
import { metricProducer } from './otlp-metrics.ts';
import type { ExporterSettings, OtlpSettings, Signal } from './otlp-settings.ts';
import { exportTrace, isSampled, RecordedIds } from './otlp-traces.ts';

/** A collector that does not answer must not keep the process from ending. */
const SHUTDOWN_MS = 2000;

/** What `startOtlp` needs. */
export interface OtlpOptions {
  readonly settings: OtlpSettings;
  /** The resource of all signals: see `resourceAttributes`. */
  readonly resource: Attributes;
  /** Returns the metrics as they are now; called for each export. */
  readonly collect: () => readonly Metric[];
  /** When counters began to count: milliseconds since the epoch. */
  readonly startedAt: number;
  /** Told at most once a minute for each collector. */
  readonly problems: ProblemListener;
  /** Default: the system's clock. */
  readonly clock?: Pick<Clock, 'monotonic'>;
}

/** Exporters at work. Items are queued; items of a signal that is off are dropped. */
export interface Otlp {
  /** Exports a finished trace, when the sampler keeps it. */
  exportTrace(trace: Trace): void;
  /** Exports one log record. */
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
 * Starts the exporters. Only one may run at a time, because OpenTelemetry keeps its state in globals.
 * A signal whose certificate files cannot be read is reported and off.
 */
export async function startOtlp(options: OtlpOptions): Promise<Otlp> {
  const { settings, resource, collect, startedAt, clock = systemClock } = options;
  const problems = new ExportProblems(clock, secretsOf(settings), options.problems);
  diag.setLogger(problemLogger(problems), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  const { traces, metrics: metricSettings, logs: logSettings } = settings.signals;

  const spanProcessors = await whenOn('traces', traces, problems, async (of, tellResults) => {
    return new BatchSpanProcessor({ exporter: tellResults(await traceExporter(of)), ...settings.spans });
  });
  const metricReaders = await whenOn('metrics', metricSettings, problems, async (of, tellResults) => {
    return new PeriodicExportingMetricReader({
      exporter: tellResults(await metricExporter(of)),
      exportIntervalMillis: settings.metricInterval,
      exportTimeoutMillis: settings.metricTimeout,
      metricProducers: [metricProducer(collect, startedAt)],
    });
  });
  const logRecordProcessors = await whenOn('logs', logSettings, problems, async (of, tellResults) => {
    return new BatchLogRecordProcessor({ exporter: tellResults(await logExporter(of)), ...settings.logRecords });
  });

  const ids = new RecordedIds();
  // Without these options the SDK would choose its own exporters, which send to localhost.
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
  // Each span is given its parent, so no context has to follow asynchronous calls.
  context.disable();

  const tracer = trace.getTracer(SERVICE_NAME, version);
  const logger = logs.getLogger(SERVICE_NAME, version);
  let stopped: Promise<void> | undefined;
  return {
    exportTrace: (recorded) => exportTrace(recorded, tracer, ids),
    exportLog: (record) => exportLog(record, logger),
    isSampled: (start) => isSampled(start, tracer, ids),
    shutdown() {
      stopped ??= (async () => {
        if (!(await isDoneWithin(SHUTDOWN_MS, sdk.shutdown()))) {
          problems.happened('shutdown', `what was still to be exported is lost: it was not taken within ${SHUTDOWN_MS} ms`);
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

type TellResults = <Items, E extends Exporter<Items>>(exporter: E & Exporter<Items>) => E;

/** Returns a list with one item when the signal is on, else an empty list: the SDK takes lists. */
async function whenOn<T>(
  signal: Signal,
  settings: ExporterSettings | undefined,
  problems: ExportProblems,
  create: (settings: ExporterSettings, tellResults: TellResults) => Promise<T>,
): Promise<T[]> {
  if (settings === undefined) return [];
  const { endpoint } = settings;
  try {
    return [
      await create(
        settings,
        resultsTold({
          failed: (error) =>
            problems.fails(
              endpoint,
              isUnreachable(error) ? CONNECTION : signal,
              `${signal} do not reach ${endpoint}: ${explained(settings, error)}`,
            ),
          taken: () => problems.works(endpoint, [CONNECTION, signal]),
        }),
      ),
    ];
  } catch (error) {
    problems.fails(`${signal} off`, signal, `${signal} are not exported to ${endpoint}: ${messageOf(error)}`);
    return [];
  }
}

function explained({ endpoint, url }: ExporterSettings, error: Error | undefined): string {
  const why = messageOf(error ?? 'no reason given');
  // The path can hold a secret, so it is shown only where it explains the error.
  if ((error as { readonly code?: unknown } | undefined)?.code === NOT_FOUND) return `${why}: it has no ${new URL(url).pathname}`;
  return endpoint.startsWith('unix:') ? whyUnreachable(parseEndpoint(endpoint), why) : why;
}

/** Whether nobody answered, or not in time: of whichever signal something is taken, that is over. */
function isUnreachable(error: Error | undefined): boolean {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code !== 'number' || code === GRPC_DEADLINE_EXCEEDED || code === GRPC_UNAVAILABLE;
}

interface Results {
  readonly failed: (error: Error | undefined) => void;
  readonly taken: () => void;
}

/** Reports what became of each export. The SDK sees success, or it would report failures again. */
function resultsTold({ failed, taken }: Results): TellResults {
  return (exporter) => {
    const send = exporter.export.bind(exporter);
    exporter.export = (items, done) =>
      send(items, ({ code, error }) => {
        if (code === SUCCESS) taken();
        else failed(error);
        done({ code: SUCCESS });
      });
    return exporter;
  };
}

/** `ExportResultCode.SUCCESS` */
const SUCCESS = 0;
/** HTTP's code; those of gRPC are smaller. */
const NOT_FOUND = 404;
const GRPC_DEADLINE_EXCEEDED = 4;
const GRPC_UNAVAILABLE = 14;
/** What all signals of an endpoint share. */
const CONNECTION = 'connection';

function problemLogger(problems: ExportProblems) {
  const hear = (...words: unknown[]) => problems.happened('OpenTelemetry', `OpenTelemetry: ${words.map(messageOf).join(' ')}`);
  const ignore = () => undefined;
  return { error: hear, warn: hear, info: ignore, debug: ignore, verbose: ignore };
}

/** With OTEL_LOG_LEVEL the SDK would write to stdout, which is for the output of commands. */
function withoutConsole<T>(create: () => T): T {
  const { OTEL_LOG_LEVEL: level } = process.env;
  delete process.env['OTEL_LOG_LEVEL'];
  try {
    return create();
  } finally {
    if (level !== undefined) process.env['OTEL_LOG_LEVEL'] = level;
  }
}

/** Secrets that a collector could repeat in its errors: headers, the token of `Bearer TOKEN`, and the URL's user and password. */
function secretsOf({ signals }: OtlpSettings): readonly string[] {
  return Object.values(signals).flatMap(({ headers, url }) => {
    const { username, password } = new URL(url);
    const values = Object.values(headers);
    return [...values, ...values.flatMap((value) => value.split(' ')), username, password];
  });
}

/** Whether the work ended in time, with success or not. */
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
