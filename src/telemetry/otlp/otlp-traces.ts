/** Makes OpenTelemetry spans from `Trace` values, with the recorded ids and times. */
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

/** Gives OpenTelemetry the recorded ids: call `next` before each span is started. */
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

/**
 * Exports a finished trace, when the sampler keeps it.
 * @param ids those of the tracer's provider
 */
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
    // The sampler drops this trace, so its children are dropped too.
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
 * A fetch calls the Workload API, so its span is a client's. A push answers no request and ends when Envoy has handled it, so its span
 * is a producer's. A server's span would count Envoy's time as ours.
 */
function kindOf(name: string): SpanKind {
  if (name.startsWith('workload_api.fetch')) return SpanKind.CLIENT;
  return name === 'sds.push' ? SpanKind.PRODUCER : SpanKind.INTERNAL;
}

function spanContext({ traceId, spanId, flags }: RemoteContext) {
  return { traceId, spanId, traceFlags: flags, isRemote: true };
}
