/** One trace, from its start until it ends and becomes a `Trace` value. */
import type { AnswerTime, ResponseInfo, SecretVersion, StreamInfo } from '../../events.ts';
import { listed } from '../../printable.ts';
import type { RemoteContext, Span, SpanAttributes, SpanContext, SpanEvent, Trace, TraceStart } from './span.ts';

/** How an `OpenTrace` begins, and what bounds it. */
export interface OpenTraceOptions {
  /** The span that the root span continues; undefined: the trace is new. */
  readonly parent: RemoteContext | undefined;
  /** What the root span links to. */
  readonly links: readonly RemoteContext[];
  /** Returns so many random bytes in hexadecimal. */
  readonly randomHex: (bytes: number) => string;
  /** How many pushes have a span of their own, at most; as many rejected pushes beyond them have one too. */
  readonly maxPushes: number;
  /** See `TraceRecorderOptions`. */
  readonly isSampled: (start: TraceStart) => boolean;
}

/** How many events one span has, at most. */
const MAX_EVENTS = 64;

type Push = ResponseInfo & StreamInfo;

interface WaitingPush {
  readonly start: number;
  readonly push: Push;
  readonly caller: RemoteContext | undefined;
}

/** Collects what happens until the trace ends. All times are milliseconds since the epoch, with fractions. */
export class OpenTrace {
  /** The ids of the root span. */
  readonly context: SpanContext;
  readonly #options: OpenTraceOptions;
  readonly #name: string;
  readonly #start: number;
  #attributes: SpanAttributes;
  readonly #events: SpanEvent[] = [];
  #error: string | undefined;
  #verifiedAt: number | undefined;
  #secretsUpdate:
    | { readonly start: number; end: number; readonly attributes: SpanAttributes; readonly events: SpanEvent[] }
    | undefined;
  /** Pushes that get a span and have no answer yet, by stream and nonce. */
  readonly #waiting = new Map<string, WaitingPush>();
  readonly #pushes: Span[] = [];
  /** How many of the first pushes got a span. */
  #spans = 0;
  #pushed = 0;
  #acked = 0;
  #nacked = 0;
  /** How many rejected pushes got a span although they were not among the first. */
  #rejections = 0;
  #overtaken = false;
  /** What the sampler decided; undefined until it was asked. */
  #sampled: boolean | undefined;
  /** The number of the update that the message caused; undefined when it caused none. */
  update: number | undefined;

  constructor(name: string, start: number, attributes: SpanAttributes, options: OpenTraceOptions) {
    const { parent, randomHex } = options;
    this.#name = name;
    this.#start = start;
    this.#attributes = attributes;
    this.#options = options;
    this.context = { traceId: parent?.traceId ?? randomHex(16), spanId: randomHex(8) };
  }

  /** The attributes of a push's span. */
  static attributesOf({ secrets, removed, nonce, stream, method, node, peer }: Push): Readonly<Record<string, string>> {
    const { uid, gid, pid } = peer.credentials ?? {};
    return {
      'secret.name': joined(secrets.map(({ name }) => name)),
      'secret.kind': joined([...new Set(secrets.map(({ kind }) => kind))]),
      'secret.version': joined(secrets.map(({ version }) => version)),
      ...(removed.length > 0 && { 'secret.removed': joined(removed) }),
      'sds.method': method,
      'sds.nonce': nonce,
      'sds.stream': String(stream),
      'sds.node': node,
      ...(uid !== undefined && { 'peer.uid': String(uid), 'peer.gid': String(gid), 'peer.pid': String(pid) }),
    };
  }

  /** The context of the root span; undefined when the sampler drops the trace. */
  get sampledContext(): SpanContext | undefined {
    const { parent, isSampled } = this.#options;
    this.#sampled ??= isSampled({ ...this.context, name: this.#name, ...(parent && { parent }) });
    return this.#sampled ? this.context : undefined;
  }

  /** Whether every push so far has an answer. */
  get isAnswered(): boolean {
    return this.#acked + this.#nacked >= this.#pushed;
  }

  /** Whether a newer update came; see `overtake`. */
  get isOvertaken(): boolean {
    return this.#overtaken;
  }

  /** The message was verified; `attributes` are added to the root span. */
  verified(at: number, attributes: SpanAttributes): void {
    this.#verifiedAt = at;
    this.#attributes = { ...this.#attributes, ...attributes };
    this.tell('verified', at, {});
  }

  /** The message was discarded: the root span fails with this error. */
  failed(error: string): void {
    this.#error = error;
  }

  /** Adds an event to the root span, unless it has 64. */
  tell(name: string, at: number, attributes: SpanAttributes): void {
    if (this.#events.length < MAX_EVENTS) this.#events.push({ name, at, attributes });
  }

  /** The secrets were updated: adds the span `secrets.update`. */
  updated(update: number, at: number, attributes: SpanAttributes): void {
    this.update = update;
    this.#secretsUpdate = { start: this.#verifiedAt ?? this.#start, end: at, attributes, events: [] };
  }

  /** A secret was encoded, which happens when it is first sent: `secrets.update` lasts until then. */
  encoded({ name, kind, version, bytes }: SecretVersion & { readonly bytes: number }, at: number): void {
    const span = this.#secretsUpdate;
    if (span === undefined) return;
    span.end = at;
    const attributes = { 'secret.name': name, 'secret.kind': kind, 'secret.version': version, 'secret.size': bytes };
    if (span.events.length < MAX_EVENTS) span.events.push({ name: 'encoded', at, attributes });
  }

  /** A newer update came before all had answered this one. */
  overtake(): void {
    this.#overtaken = true;
  }

  /**
   * A response was sent.
   * @param caller the trace context of the stream, which the span of the push links to
   */
  pushed(push: Push, at: number, caller: RemoteContext | undefined): void {
    this.#pushed += 1;
    if (this.#spans >= this.#options.maxPushes) return;
    this.#spans += 1;
    this.#waiting.set(keyOf(push), { start: at, push, caller });
  }

  /**
   * An ACK or a NACK came.
   * @param error undefined for an ACK
   */
  answered(push: Push & AnswerTime, at: number, error: string | undefined): void {
    if (error === undefined) this.#acked += 1;
    else this.#nacked += 1;
    const key = this.#waiting.size === 0 ? '' : keyOf(push);
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined) {
      this.#waiting.delete(key);
      this.#pushes.push(this.#pushSpan(waiting, at, error === undefined ? 'ack' : 'nack', error));
    } else if (error !== undefined && this.#rejections < this.#options.maxPushes) {
      // People look for what failed, so a rejected push gets a span even when the first pushes used them up.
      this.#rejections += 1;
      this.#pushes.push(this.#pushSpan({ start: at - push.afterMs, push, caller: undefined }, at, 'nack', error));
    }
  }

  /** Ends the root span; pushes without an answer end as failed. */
  end(at: number): Trace {
    const { parent, links } = this.#options;
    const update = this.#secretsUpdate;
    const missing = [...this.#waiting.values()].map((waiting) => this.#pushSpan(waiting, at, 'unanswered', 'not answered'));
    const spans = [...this.#pushes, ...missing];
    const updateSpan = { name: 'secrets.update', links: [], children: [] };
    const isUpdateItself = this.#name === updateSpan.name;
    const root: Span = {
      name: this.#name,
      spanId: this.context.spanId,
      start: this.#start,
      end: Math.max(at, update?.end ?? at),
      attributes: { ...this.#attributes, ...(isUpdateItself && update?.attributes), ...this.#counts(spans.length) },
      events: isUpdateItself && update !== undefined ? [...this.#events, ...update.events] : this.#events,
      ...this.#outcome(),
      links,
      children:
        update === undefined || isUpdateItself
          ? spans
          : [{ ...updateSpan, ...update, spanId: this.#options.randomHex(8) }, ...spans],
    };
    return { traceId: this.context.traceId, ...(parent && { parent }), root };
  }

  #counts(spans: number): SpanAttributes {
    if (this.update === undefined) return {};
    return {
      'sds.update': this.update,
      'sds.push.count': this.#pushed,
      'sds.ack.count': this.#acked,
      'sds.nack.count': this.#nacked,
      'sds.unanswered.count': this.#pushed - this.#acked - this.#nacked,
      'sds.push.without_span': this.#pushed - spans,
      ...(this.#overtaken && { 'sds.overtaken': true }),
    };
  }

  #outcome(): { readonly error?: string } {
    if (this.#error !== undefined) return { error: this.#error };
    return this.#nacked === 0 ? {} : { error: `${this.#nacked} of ${this.#pushed} pushes were rejected` };
  }

  #pushSpan({ start, push, caller }: WaitingPush, end: number, outcome: Outcome, error: string | undefined): Span {
    return {
      name: 'sds.push',
      spanId: this.#options.randomHex(8),
      start,
      end,
      attributes: OpenTrace.attributesOf(push),
      events: [{ name: outcome, at: end, attributes: {} }],
      ...(error !== undefined && { error }),
      links: caller === undefined ? [] : [caller],
      children: [],
    };
  }
}

/** How a push ended. */
type Outcome = 'ack' | 'nack' | 'unanswered';

/** How many names an attribute lists: an aggregated stream may carry a thousand. */
const MAX_LISTED = 16;

function joined(names: readonly string[]): string {
  return listed(MAX_LISTED, names, undefined, ',');
}

function keyOf({ stream, nonce }: Push): string {
  return `${stream}/${nonce}`;
}
