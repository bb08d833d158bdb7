/** `Trace` values as OpenTelemetry spans: with the ids and times that were recorded. */
import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace as traces,
} from '@opentelemetry/api';
import type { IdGenerator } from '@opentelemetry/sdk-trace';
import type { RemoteContext, Span, Trace, TraceStart } from '../traces/span.ts';

/** Hands out the ids of the span that is about to be started: they are started one after the other. */
export class RecordedIds implements IdGenerator {
  #traceId = '';
  #spanId = '';

  next(traceId: string, spanId: string): void {
    this.#traceId = traceId;
    this.#spanId = spanId;
  }

  generateTraceId(): string {
    return this.#traceId;
  }

  generateSpanId(): string {
    return this.#spanId;
  }
}

/** @param ids those of the tracer's provider */
export function exportTrace({ traceId, parent, root }: Trace, tracer: Tracer, ids: RecordedIds): void {
  const exportSpan = (span: Span, context: Context) => {
    ids.next(traceId, span.spanId);
    const { name, start, links, error } = span;
    const options = {
      kind: kindOf(name),
      startTime: start,
      attributes: span.attributes as Attributes,
      links: links.map((link) => ({ context: spanContext(link) })),
    };
    const started = tracer.startSpan(name, options, context);
    // Not sampled; then its children are not either.
    if (!started.isRecording()) return;
    for (const event of span.events) started.addEvent(event.name, event.attributes as Attributes, event.at);
    if (error !== undefined) started.setStatus({ code: SpanStatusCode.ERROR, message: error });
    const within = traces.setSpan(context, started);
    for (const child of span.children) exportSpan(child, within);
    started.end(span.end);
  };
  exportSpan(root, contextOf(parent));
}

/**
 * Asks the sampler of the tracer's provider before the trace has ended.
 * @param ids those of the tracer's provider
 * @returns whether `exportTrace` exports a trace that started so
 */
export function isSampled({ traceId, spanId, name, parent }: TraceStart, tracer: Tracer, ids: RecordedIds): boolean {
  ids.next(traceId, spanId);
  // A span that is not ended is not exported.
  return tracer.startSpan(name, { kind: kindOf(name) }, contextOf(parent)).isRecording();
}

function contextOf(parent: RemoteContext | undefined): Context {
  return parent === undefined ? ROOT_CONTEXT : traces.setSpanContext(ROOT_CONTEXT, spanContext(parent));
}

/**
 * A fetch asks the Workload API, so it is a client's span. A push is a producer's: it begins here, without a request that it would
 * answer, and is over when the other side has dealt with it. As a server's, the time until an Envoy acknowledges would pass for ours.
 */
function kindOf(name: string): SpanKind {
  if (name.startsWith('workload_api.fetch')) return SpanKind.CLIENT;
  return name === 'sds.push' ? SpanKind.PRODUCER : SpanKind.INTERNAL;
}

function spanContext({ traceId, spanId, flags }: RemoteContext) {
  return { traceId, spanId, traceFlags: flags, isRemote: true };
}
