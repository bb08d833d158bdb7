/** Finished traces as plain values. `otlp/otlp-traces.ts` makes spans of OpenTelemetry from them. */

/** The ids of a span. */
export interface SpanContext {
  /** 32 hexadecimal digits. */
  readonly traceId: string;
  /** 16 hexadecimal digits. */
  readonly spanId: string;
}

/** The context of a span outside this process: of a caller, or of the program that started the sidecar. */
export interface RemoteContext extends SpanContext {
  /** W3C trace-flags: the lowest bit says that the trace is sampled. */
  readonly flags: number;
}

/** Attributes as OpenTelemetry has them. */
export type SpanAttributes = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** One finished span. Times are milliseconds since the epoch, with fractions. */
export interface Span {
  readonly name: string;
  readonly spanId: string;
  readonly start: number;
  readonly end: number;
  readonly attributes: SpanAttributes;
  readonly events: readonly SpanEvent[];
  /** Why the span failed; absent when it did not. */
  readonly error?: string;
  readonly links: readonly RemoteContext[];
  readonly children: readonly Span[];
}

/** Something that happened during a span. */
export interface SpanEvent {
  readonly name: string;
  readonly at: number;
  readonly attributes: SpanAttributes;
}

/** What is known of a trace when its root span starts: enough for a sampler to decide. */
export interface TraceStart extends SpanContext {
  /** The name of the root span. */
  readonly name: string;
  /** Absent: the root span has no parent. */
  readonly parent?: RemoteContext;
}

/** A finished trace: a root span with its children. */
export interface Trace {
  readonly traceId: string;
  /** Absent: `root` has no parent. */
  readonly parent?: RemoteContext;
  readonly root: Span;
}

/**
 * Reads the header `traceparent` (W3C Trace Context, section 3.2).
 * @returns undefined when the text is not a traceparent
 */
export function parseTraceparent(text: string): RemoteContext | undefined {
  const [, version, traceId = '', spanId = '', flags = ''] =
    /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:-.*)?$/.exec(text) ?? [];
  if (version === undefined || version === 'ff' || (version === '00' && text.length !== 55)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, flags: Number.parseInt(flags, 16) };
}
