/**
 * Everything that listens to the events. The log, the state and the metrics hear each event at once. The exporters (OTLP, audit) are
 * slow to load: `loadExporters` loads them, and gives them every event since the start.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { Configuration } from '../config/schema/schema.ts';
import type { Environment } from '../config/source/sources.ts';
import { messageOf } from '../error.ts';
import type { Event, EventListener } from '../events.ts';
import type { SidecarCounts } from '../state/counts.ts';
import { Observed } from '../state/observed.ts';
import type { Audit } from './audit/audit-sink.ts';
import { type Log, type LogLine, openLog } from './log/log.ts';
import { Measurements } from './metrics/measurements.ts';
import type { Attributes } from './metrics/metric.ts';
import { otlpProcessMetrics, processMetrics } from './metrics/process-metrics.ts';
import { type Exposition, formatPrometheus } from './metrics/prometheus.ts';
import type { Otlp } from './otlp/otlp.ts';
import { auditRecord, logRecord } from './otlp/otlp-records.ts';
import { type OtlpSettings, otlpSettings } from './otlp/otlp-settings.ts';
import { resourceAttributes } from './resource.ts';
import type { Trace } from './traces/span.ts';
import type { TraceRecorder } from './traces/trace-recorder.ts';

/** Events and log lines: one second of a busy sidecar, which has 10 000 a second. */
const MAX_BACKLOG = 10_000;

/** What the exporters are given, now or later. Times are milliseconds since the epoch. */
type Entry = { readonly event: Event; readonly at: number } | { readonly line: LogLine; readonly at: number };

/** What `Telemetry.open` needs. */
export interface TelemetryOptions {
  readonly configuration: Configuration;
  readonly env: Environment;
  readonly clock: Clock;
}

/** Log, metrics, traces and audit of one sidecar. */
export class Telemetry {
  /** The state of the sidecar, built from its events. */
  readonly observed: Observed;
  readonly #options: TelemetryOptions;
  readonly #measurements: Measurements;
  readonly #resource: Attributes;
  readonly #settings: OtlpSettings | undefined;
  readonly #log: Log;
  #audit: Audit | undefined;
  #otlp: Otlp | undefined;
  #exporters: Promise<void> | undefined;
  /** Undefined until OTLP is loaded, and when traces are not exported. */
  #recorder: TraceRecorder | undefined;
  /** What the exporters have not been given yet; undefined when they are loaded, and when there are none. */
  #backlog: Entry[] | undefined;
  /** How many did not fit into the backlog. */
  #lost = 0;

  /** Opens the log. The exporters wait for `loadExporters`. Variables of OpenTelemetry that cannot be used are logged, and ignored. */
  static async open(options: TelemetryOptions): Promise<Telemetry> {
    let telemetry: Telemetry | undefined;
    const log = await openLog(options.configuration.log, (line) => {
      if (telemetry !== undefined) telemetry.#hearLine(line);
    });
    const problems: string[] = [];
    telemetry = new Telemetry(options, log, (sentence) => problems.push(sentence));
    // Only a restart mends these.
    for (const reason of problems) telemetry.events({ type: 'telemetry_failed', reason, about: reason });
    return telemetry;
  }

  private constructor(options: TelemetryOptions, log: Log, onProblem: (sentence: string) => void) {
    const { configuration, env, clock } = options;
    const { telemetry } = configuration;
    this.#options = options;
    this.#log = log;
    this.observed = new Observed(clock);
    this.#measurements = new Measurements(this.observed);
    this.#settings = otlpSettings(telemetry, env, onProblem);
    this.#resource = resourceAttributes(telemetry.resource, env, randomBytes(16).toString('hex'), onProblem);
    const { traces, logs } = this.#settings?.signals ?? {};
    if (configuration.log.audit !== 'off' || traces !== undefined || logs !== undefined) this.#backlog = [];
  }

  /** Hears every event of the sidecar. */
  readonly events: EventListener = (event) => {
    const at = now();
    this.observed.hear(event);
    this.#log.events(event);
    // Before the recorder, which may end the trace that an exemplar names.
    this.#measurements.hear(event, at);
    if (this.#backlog === undefined) this.#exportEvent(event, at);
    else this.#keep(this.#backlog, { event, at });
  };

  /**
   * The metrics as Prometheus reads them.
   * @param accept the request's `Accept` header
   * @returns undefined when `telemetry.prometheus` is off
   */
  metrics(accept: string): Exposition | undefined {
    if (!this.#options.configuration.telemetry.prometheus) return undefined;
    return formatPrometheus([...this.#measurements.collect(), ...processMetrics()], this.#resource, accept);
  }

  /** Sets the function that counts connections, streams and subscriptions for the gauges. Until then they are zero. */
  count(counts: () => SidecarCounts): void {
    this.#measurements.attach(counts, (update) => this.#recorder?.spanOf(update));
  }

  /** The lowest level that is logged from now on. */
  setLogLevel(level: Configuration['log']['level']): void {
    this.#log.setLevel(level);
  }

  /** Opens the audit's file again by its path: call it when somebody moved the file away. */
  reopen(): void {
    this.#audit?.reopen();
  }

  /** Loads OTLP, then the audit, which may write to OTLP; then gives both the events since the start. Never rejects. */
  loadExporters(): Promise<void> {
    this.#exporters ??= this.#loadExporters();
    return this.#exporters;
  }

  /** Ends all open traces, and gives the exporters two seconds to send what they have. Never rejects. */
  async close(): Promise<void> {
    await this.loadExporters();
    this.#recorder?.flush(now());
    // The traces that ended with this are exported in the next turn.
    await new Promise(setImmediate);
    await Promise.all([this.#audit?.close(), this.#otlp?.shutdown()]);
  }

  async #loadExporters(): Promise<void> {
    this.#otlp = await this.#startOtlp();
    await Promise.all([this.#openRecorder(this.#otlp), this.#openAudit(this.#otlp)]);
    this.#replay();
  }

  async #startOtlp(): Promise<Otlp | undefined> {
    const settings = this.#settings;
    if (settings === undefined) return undefined;
    const failed = (reason: string, about?: string) =>
      this.events({ type: 'telemetry_failed', reason, ...(about !== undefined && { about }) });
    const recovered = (about: string) => this.events({ type: 'telemetry_recovered', about });
    try {
      const { startOtlp } = await import('./otlp/otlp.ts');
      return await startOtlp({
        settings,
        resource: this.#resource,
        collect: () => [...this.#measurements.collect(), ...otlpProcessMetrics()],
        startedAt: this.observed.startedAt,
        problems: { failed, recovered },
      });
    } catch (error) {
      failed(`nothing is exported by OTLP: ${messageOf(error)}`, 'OTLP');
      return undefined;
    }
  }

  async #openRecorder(otlp: Otlp | undefined): Promise<void> {
    if (otlp === undefined || this.#settings?.signals.traces === undefined) return;
    const { configuration, env, clock } = this.#options;
    const { openRecorder } = await import('./traces/open-recorder.ts');
    this.#recorder = openRecorder({
      pushSpans: configuration.telemetry.otlp.push_spans,
      clock,
      traceparent: env['TRACEPARENT'] ?? '',
      // Later: a push must not wait for spans to be made.
      onTrace: (trace: Trace) => void setImmediate(() => otlp.exportTrace(trace)),
      isSampled: (start) => otlp.isSampled(start),
    });
  }

  async #openAudit(otlp: Otlp | undefined): Promise<void> {
    const { configuration, clock } = this.#options;
    const target = configuration.log.audit;
    if (target === 'off') return;
    const { openAudit } = await import('./audit/audit-sink.ts');
    const takesLogs = otlp !== undefined && this.#settings?.signals.logs !== undefined;
    this.#audit = await openAudit(target, {
      events: this.events,
      clock,
      ...(takesLogs && { otlp: (record) => otlp.exportLog(auditRecord(record)) }),
    });
  }

  #replay(): void {
    // What they cause is added at the end of the backlog, and is given to them too.
    for (const entry of this.#backlog ?? []) {
      if ('line' in entry) this.#exportLine(entry.line, entry.at);
      else this.#exportEvent(entry.event, entry.at);
    }
    this.#backlog = undefined;
    if (this.#lost === 0) return;
    const reason = `traces, audit and exported logs lack ${this.#lost} entries of the start: more than ${MAX_BACKLOG} came before the exporters were loaded`;
    this.events({ type: 'telemetry_failed', reason });
  }

  #hearLine(line: LogLine): void {
    if (this.#settings?.signals.logs === undefined) return;
    const at = Date.now();
    if (this.#backlog === undefined) this.#exportLine(line, at);
    else this.#keep(this.#backlog, { line, at });
  }

  #keep(backlog: Entry[], entry: Entry): void {
    if (backlog.length < MAX_BACKLOG) backlog.push(entry);
    else this.#lost += 1;
  }

  #exportEvent(event: Event, at: number): void {
    this.#recorder?.hear(event, at);
    this.#audit?.hear(event, at);
  }

  #exportLine(line: LogLine, at: number): void {
    this.#otlp?.exportLog(logRecord(line, at));
  }
}

const TIME_ORIGIN = performance.timeOrigin;

/** Milliseconds since the epoch, with fractions. A change of the wall clock does not change it. */
function now(): number {
  return TIME_ORIGIN + performance.now();
}
