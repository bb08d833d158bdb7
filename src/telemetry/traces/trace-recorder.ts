/**
 * One trace for each message of the Workload API: received, verified, encoded, and a push for each stream, ended by its ACK or NACK. The
 * first pushes have a span of their own; all of them are counted.
 */
import type { Clock } from '../../clock.ts';
import type { Event, ResponseInfo, StreamInfo, WorkloadApiMethod, WorkloadInfo } from '../../events.ts';
import { OpenTrace } from './open-trace.ts';
import { parseTraceparent, type RemoteContext, type SpanContext, type Trace, type TraceStart } from './span.ts';

/** What a `TraceRecorder` needs. */
export interface TraceRecorderOptions {
  /** How many pushes of one trace have a span of their own, at most. */
  readonly pushSpans: number;
  readonly clock: Clock;
  /** Returns so many random bytes in hexadecimal. */
  readonly randomHex: (bytes: number) => string;
  /** The span of the program that started this process: the first trace continues it, the later traces link to it. */
  readonly parent?: RemoteContext | undefined;
  /** Called with each trace that has ended. */
  readonly onTrace: (trace: Trace) => void;
  /** Whether the sampler keeps a trace that starts so. Asked at most once for each trace. */
  readonly isSampled: (start: TraceStart) => boolean;
}

/** A trace ends after this time, even when an Envoy has not answered. */
const MAX_OPEN_MS = 60_000;
/** How many traces are open, at most. When there are more, the oldest ends. */
const MAX_OPEN = 64;
const SPANS = {
  FetchX509SVID: 'workload_api.fetch_x509_svid',
  FetchX509Bundles: 'workload_api.fetch_x509_bundles',
  FetchJWTSVID: 'workload_api.fetch_jwt_svid',
} as const;
/** For how many streams the caller's trace context is kept, at most. */
const MAX_CALLERS = 20_000;
/** The number of spiffe-sds itself, beside those of workloads. */
const ITSELF = 0;

interface Message {
  readonly method: WorkloadApiMethod;
  readonly at: number;
}

/** Makes traces from events. It opens no spans of OpenTelemetry and needs none of its code. */
export class TraceRecorder {
  readonly #options: TraceRecorderOptions;
  /** Messages that are not handled yet. */
  readonly #messages = new Map<number, Message>();
  /** The trace of the message that is being handled. */
  #handling: OpenTrace | undefined;
  /** Open traces by the number of their update. */
  readonly #open = new Map<number, { readonly trace: OpenTrace; readonly forget: () => void }>();
  /** The newest update of each workload. */
  readonly #newest = new Map<number, number>();
  readonly #callers = new Map<number, RemoteContext>();
  #begun = false;

  constructor(options: TraceRecorderOptions) {
    this.#options = options;
  }

  /** The root span of the trace of an update, while the trace is open; undefined when the sampler drops it. */
  spanOf(update: number): SpanContext | undefined {
    return this.#open.get(update)?.trace.sampledContext;
  }

  /** @param at when it happened: milliseconds since the epoch, with fractions */
  hear(event: Event, at: number): void {
    switch (event.type) {
      case 'secrets_pushed':
        this.#pushed(event, at);
        break;
      case 'secrets_accepted':
        this.#answered(event, at, undefined);
        break;
      case 'secrets_rejected':
        this.#answered(event, at, `rejected: ${event.reason}`);
        break;
      case 'secret_encoded':
        this.#newestOf(event)?.encoded(event, at);
        break;
      case 'stream_opened':
        this.#opened(event);
        break;
      case 'stream_closed':
        this.#callers.delete(event.stream);
        break;
      case 'secrets_updated':
        this.#updated(event, at);
        break;
      case 'update_settled':
        this.#close(event.update, at);
        break;
      case 'message_received':
        this.#messages.set(event.message, { method: event.method, at });
        break;
      case 'context_received':
        this.#begin(event.message, event.workload)?.verified(at, {
          'spiffe.svid.count': event.svids,
          'spiffe.bundle.count': event.bundles,
        });
        break;
      case 'bundles_received':
        this.#begin(event.message, event.workload)?.verified(at, { 'spiffe.bundle.count': event.bundles });
        break;
      case 'token_received':
      case 'token_rotated':
        this.#begin(event.message, event.workload)?.verified(at, { 'spiffe.id': event.id });
        break;
      case 'context_discarded':
        this.#begin(event.message, event.workload)?.failed(`${event.code}: ${event.reason}`);
        break;
      case 'svid_received':
      case 'svid_rotated':
        this.#handling?.tell(event.type, at, { 'spiffe.id': event.id, 'spiffe.svid.serial': event.serial });
        break;
      case 'svid_withdrawn':
        this.#handling?.tell(event.type, at, { 'spiffe.id': event.id });
        break;
      case 'bundle_updated':
      case 'bundle_withdrawn':
      case 'bundle_left_out':
        this.#handling?.tell(event.type, at, { 'spiffe.trust_domain': event.trustDomain });
        break;
      case 'message_handled':
        this.#handled(event.message, at);
        break;
      case 'workload_ended':
        this.#newest.delete(event.workload.number);
        break;
    }
  }

  /** Ends all open traces now. */
  flush(at: number): void {
    for (const update of [...this.#open.keys()]) this.#close(update, at);
  }

  #begin(message: number, workload: WorkloadInfo | undefined): OpenTrace | undefined {
    const received = this.#messages.get(message);
    if (received === undefined) return undefined;
    const { method, at } = received;
    const attributes = { 'rpc.system.name': 'grpc', 'rpc.method': `SpiffeWorkloadAPI/${method}`, ...whose(workload) };
    this.#handling = this.#create(SPANS[method], at, attributes);
    return this.#handling;
  }

  /** A message that caused no update has no pushes to wait for: its trace ends now. */
  #handled(message: number, at: number): void {
    this.#messages.delete(message);
    const trace = this.#handling;
    this.#handling = undefined;
    if (trace !== undefined && trace.update === undefined) this.#options.onTrace(trace.end(at));
  }

  #updated({ update, cause, names, workload }: Event & { readonly type: 'secrets_updated' }, at: number): void {
    const trace = this.#handling ?? this.#create('secrets.update', at, whose(workload));
    trace.updated(update, at, { 'secrets.update.cause': cause, 'secrets.names': names });
    const before = this.#newest.get(workload?.number ?? ITSELF) ?? 0;
    this.#newest.set(workload?.number ?? ITSELF, update);
    const forget = this.#options.clock.after(MAX_OPEN_MS, () => this.#close(update, this.#wallTime(at)));
    this.#open.set(update, { trace, forget });
    const [oldest] = this.#open.keys();
    if (this.#open.size > MAX_OPEN && oldest !== undefined) this.#close(oldest, at);
    const overtaken = this.#open.get(before)?.trace;
    overtaken?.overtake();
    if (overtaken?.isAnswered) this.#close(before, at);
  }

  #newestOf({ workload }: Event): OpenTrace | undefined {
    return this.#open.get(this.#newest.get(workload?.number ?? ITSELF) ?? 0)?.trace;
  }

  /** The time when a timer fires; not before the trace began. */
  #wallTime(after: number): number {
    return Math.max(after, this.#options.clock.now());
  }

  #close(update: number, at: number): void {
    const open = this.#open.get(update);
    if (open === undefined) return;
    this.#open.delete(update);
    open.forget();
    this.#options.onTrace(open.trace.end(at));
  }

  #pushed(event: ResponseInfo & StreamInfo, at: number): void {
    if (event.because === 'request') return;
    const caller = this.#callers.size === 0 ? undefined : this.#callers.get(event.stream);
    this.#open.get(event.update)?.trace.pushed(event, at, caller);
  }

  #answered(
    event: Event & { readonly type: 'secrets_accepted' | 'secrets_rejected' },
    at: number,
    error: string | undefined,
  ): void {
    if (event.because === 'update') {
      const trace = this.#open.get(event.update)?.trace;
      trace?.answered(event, at, error);
      if (trace?.isOvertaken && trace.isAnswered) this.#close(event.update, at);
      return;
    }
    const caller = this.#callers.get(event.stream);
    if (caller === undefined) return;
    const trace = this.#create('sds.push', at - event.afterMs, OpenTrace.attributesOf(event), caller);
    if (error !== undefined) trace.failed(error);
    this.#options.onTrace(trace.end(at));
  }

  #opened({ stream, traceparent }: Event & { readonly type: 'stream_opened' }): void {
    const caller = traceparent === undefined ? undefined : parseTraceparent(traceparent);
    if (caller !== undefined && this.#callers.size < MAX_CALLERS) this.#callers.set(stream, caller);
  }

  #create(name: string, at: number, attributes: Readonly<Record<string, string>>, caller?: RemoteContext): OpenTrace {
    const { parent: starter, randomHex, pushSpans, isSampled } = this.#options;
    const parent = caller ?? (this.#begun ? undefined : starter);
    const links = caller === undefined && this.#begun && starter !== undefined ? [starter] : [];
    if (caller === undefined) this.#begun = true;
    return new OpenTrace(name, at, attributes, { parent, links, randomHex, maxPushes: pushSpans, isSampled });
  }
}

/** In node mode a trace says which workload it is about. */
function whose(workload: WorkloadInfo | undefined): Readonly<Record<string, string>> {
  return workload === undefined ? {} : { 'workload.uid': String(workload.uid), 'workload.pid': String(workload.pid) };
}
