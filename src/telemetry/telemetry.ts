/**
 * Everything that listens to the events. The log, what they add up to, and what is measured listen from the first on; what is heavy is
 * loaded by `openRest`, and hears then what it has missed.
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
import { pooledHex } from './traces/random-hex.ts';
import { parseTraceparent, type Trace } from './traces/span.ts';
import { TraceRecorder } from './traces/trace-recorder.ts';

/** What is kept for those who listen later: half a second of it, as a rule far less. */
const MAX_MISSED = 10_000;

export interface TelemetryOptions {
  readonly configuration: Configuration;
  readonly env: Environment;
  readonly clock: Clock;
}

export class Telemetry {
  readonly observed: Observed;
  readonly #options: TelemetryOptions;
  readonly #measurements: Measurements;
  readonly #resource: Attributes;
  readonly #settings: OtlpSettings | undefined;
  readonly #recorder: TraceRecorder | undefined;
  readonly #log: Log;
  #audit: Audit | undefined;
  #otlp: Otlp | undefined;
  #rest: Promise<void> | undefined;
  /** For the audit, until it is open; undefined when there is none. */
  #missed: { readonly event: Event; readonly at: number }[] | undefined;
  /** What came before anything could export it; undefined from then on. */
  #unexported: ((otlp: Otlp) => void)[] | undefined = [];

  /** Opens the log; the rest waits for `openRest`. */
  static async open(options: TelemetryOptions): Promise<Telemetry> {
    let telemetry: Telemetry | undefined;
    const log = await openLog(options.configuration.log, (line) => {
      if (telemetry !== undefined) telemetry.#exportLine(line);
    });
    const problems: string[] = [];
    telemetry = new Telemetry(options, log, (sentence) => problems.push(sentence));
    for (const reason of problems) telemetry.events({ type: 'telemetry_failed', reason });
    return telemetry;
  }

  private constructor(options: TelemetryOptions, log: Log, onProblem: (sentence: string) => void) {
    const { configuration, env, clock } = options;
    const { telemetry } = configuration;
    this.#options = options;
    this.#log = log;
    this.#missed = configuration.log.audit === 'off' ? undefined : [];
    this.observed = new Observed(clock);
    this.#measurements = new Measurements(this.observed);
    this.#settings = otlpSettings(telemetry, env, onProblem);
    this.#resource = resourceAttributes(telemetry.resource, env, randomBytes(16).toString('hex'), onProblem);
    if (this.#settings?.signals.traces === undefined) return;
    this.#recorder = new TraceRecorder({
      pushSpans: telemetry.otlp.push_spans,
      clock,
      randomHex: pooledHex(randomBytes),
      parent: parseTraceparent(env['TRACEPARENT'] ?? ''),
      onTrace: (trace) => this.#exportTrace(trace),
      isSampled: (start) => this.#otlp?.isSampled(start),
    });
  }

  /** Hears of everything. */
  readonly events: EventListener = (event) => {
    const at = now();
    this.observed.hear(event);
    this.#log.events(event);
    this.#measurements.hear(event, at);
    this.#recorder?.hear(event, at);
    if (this.#audit !== undefined) this.#audit.hear(event, at);
    else if (this.#missed !== undefined && this.#missed.length < MAX_MISSED) this.#missed.push({ event, at });
  };

  /** The page for Prometheus; undefined when nobody wants it. */
  metrics(accept: string): Exposition | undefined {
    if (!this.#options.configuration.telemetry.prometheus) return undefined;
    return formatPrometheus([...this.#measurements.collect(), ...processMetrics()], this.#resource, accept);
  }

  /** How many there are of what only the sidecar can count. */
  count(counts: () => SidecarCounts): void {
    this.#measurements.attach(counts, (update) => this.#recorder?.spanOf(update));
  }

  setLogLevel(level: Configuration['log']['level']): void {
    this.#log.setLevel(level);
  }

  /** The audit's file was moved away. */
  reopen(): void {
    this.#audit?.reopen();
  }

  /** OTLP, then the audit, which may go there. Never rejects. */
  openRest(): Promise<void> {
    this.#rest ??= this.#openRest();
    return this.#rest;
  }

  /** Whoever takes what was told has two seconds for it. Never rejects. */
  async close(): Promise<void> {
    await this.openRest();
    this.#recorder?.flush(now());
    // The traces that ended with this are exported in the next turn.
    await new Promise(setImmediate);
    await Promise.all([this.#audit?.close(), this.#otlp?.shutdown()]);
  }

  async #openRest(): Promise<void> {
    await this.#startOtlp();
    const { configuration, clock } = this.#options;
    const target = configuration.log.audit;
    if (target === 'off') return;
    const { openAudit } = await import('./audit/audit-sink.ts');
    const otlp = this.#settings?.signals.logs === undefined ? undefined : this.#otlp;
    const audit = await openAudit(target, {
      events: this.events,
      clock,
      ...(otlp && { otlp: (record) => otlp.exportLog(auditRecord(record)) }),
    });
    for (const { event, at } of this.#missed ?? []) audit.hear(event, at);
    this.#missed = undefined;
    this.#audit = audit;
  }

  async #startOtlp(): Promise<void> {
    const settings = this.#settings;
    if (settings === undefined) return;
    const onProblem = (reason: string) => this.events({ type: 'telemetry_failed', reason });
    try {
      const { startOtlp } = await import('./otlp/otlp.ts');
      this.#otlp = await startOtlp({
        settings,
        resource: this.#resource,
        collect: () => [...this.#measurements.collect(), ...otlpProcessMetrics()],
        startedAt: this.observed.startedAt,
        onProblem,
      });
    } catch (error) {
      onProblem(`nothing is exported by OTLP: ${messageOf(error)}`);
    }
    for (const exportTo of this.#unexported ?? []) if (this.#otlp !== undefined) exportTo(this.#otlp);
    this.#unexported = undefined;
  }

  /** Later: a push must not wait for spans to be made. */
  #exportTrace(trace: Trace): void {
    if (this.#unexported === undefined) setImmediate(() => this.#otlp?.exportTrace(trace));
    else this.#keep((otlp) => otlp.exportTrace(trace));
  }

  #exportLine(line: LogLine): void {
    if (this.#settings?.signals.logs === undefined) return;
    const record = logRecord(line, Date.now());
    if (this.#unexported === undefined) this.#otlp?.exportLog(record);
    else this.#keep((otlp) => otlp.exportLog(record));
  }

  #keep(exportTo: (otlp: Otlp) => void): void {
    if (this.#unexported !== undefined && this.#unexported.length < MAX_MISSED) this.#unexported.push(exportTo);
  }
}

const TIME_ORIGIN = performance.timeOrigin;

/** Milliseconds since the epoch, fractions included; a change of the wall clock does not touch it. */
function now(): number {
  return TIME_ORIGIN + performance.now();
}
