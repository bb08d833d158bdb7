/** What was measured, as values: read by whoever exports it. */

import type { SpanContext } from '../traces/span.ts';
import type { Instrument, InstrumentKind } from './instruments.ts';

export type Attributes = Readonly<Record<string, string>>;

export interface NumberPoint {
  readonly attributes: Attributes;
  readonly value: number;
}

export interface HistogramPoint {
  readonly attributes: Attributes;
  readonly count: number;
  readonly sum: number;
  /** How many fell into each bucket of `BUCKETS`, and last those above: not cumulated. */
  readonly buckets: readonly number[];
  /** Of each bucket the first value of the latest trace. */
  readonly exemplars: readonly (Exemplar | undefined)[];
}

/** A value with the trace that it was measured in: only a trace that the sampler keeps, so that people who follow it find it. */
export interface Exemplar {
  readonly value: number;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly context: SpanContext;
}

/** Counters count from the start of the process. */
export type Metric =
  | { readonly instrument: Instrument<Exclude<InstrumentKind, 'histogram'>>; readonly points: readonly NumberPoint[] }
  | { readonly instrument: Instrument<'histogram'>; readonly points: readonly HistogramPoint[] };

/** TypeScript cannot distinguish them by the kind of their instruments. */
export function isHistogram(metric: Metric): metric is Extract<Metric, { readonly points: readonly HistogramPoint[] }> {
  return metric.instrument.kind === 'histogram';
}
