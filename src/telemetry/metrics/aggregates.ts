/** Counters and histograms as plain numbers, because a measurement at each push must cost next to nothing. */

import type { SpanContext } from '../traces/span.ts';
import { BUCKETS } from './instruments.ts';
import type { Attributes, Exemplar, HistogramPoint, NumberPoint } from './metric.ts';

/** Combinations of one instrument. All further ones are counted together, so that no peer can make the exports grow. */
export const MAX_SERIES = 1000;
/** As OpenTelemetry marks it (metrics SDK specification, "Overflow attribute"). */
export const OVERFLOW: Attributes = { 'otel.metric.overflow': 'true' };

/** One cell for each combination of values. */
class Series<Cell> {
  readonly #keys: readonly string[];
  readonly #create: () => Cell;
  readonly #cells = new Map<string, { readonly attributes: Attributes; readonly cell: Cell }>();

  /** @param keys the names of the attributes */
  constructor(keys: readonly string[], create: () => Cell) {
    this.#keys = keys;
    this.#create = create;
  }

  /** @param values of the attributes, in the order of their names */
  cell(values: readonly string[]): Cell {
    const key = values.length === 1 ? (values[0] as string) : values.join('\0');
    return (this.#cells.get(key) ?? this.#add(key, values)).cell;
  }

  *[Symbol.iterator](): Iterator<{ readonly attributes: Attributes; readonly cell: Cell }> {
    yield* this.#cells.values();
  }

  #add(key: string, values: readonly string[]): { readonly attributes: Attributes; readonly cell: Cell } {
    const overflows = this.#cells.size >= MAX_SERIES;
    const known = overflows ? this.#cells.get(OVERFLOWING) : undefined;
    if (known !== undefined) return known;
    const attributes = overflows ? OVERFLOW : Object.fromEntries(this.#keys.map((name, i) => [name, values[i] ?? '']));
    const added = { attributes, cell: this.#create() };
    this.#cells.set(overflows ? OVERFLOWING : key, added);
    return added;
  }
}

/** No value holds a NUL twice. */
const OVERFLOWING = '\0\0';

export class Counter {
  readonly #series: Series<{ value: number }>;

  constructor(keys: readonly string[]) {
    this.#series = new Series(keys, () => ({ value: 0 }));
  }

  /** Shows this combination as zero from now on: Prometheus computes a rate only for a series that exists. @returns its cell, to count in */
  cell(...values: readonly string[]): { value: number } {
    return this.#series.cell(values);
  }

  add(...values: readonly string[]): void {
    this.#series.cell(values).value += 1;
  }

  get points(): readonly NumberPoint[] {
    return [...this.#series].map(({ attributes, cell }) => ({ attributes, value: cell.value }));
  }
}

/** Of one combination of values. */
export class HistogramCell {
  #count = 0;
  #sum = 0;
  readonly #buckets: number[] = Array(BUCKETS.length + 1).fill(0);
  readonly #exemplars: (Exemplar | undefined)[] = Array(BUCKETS.length + 1).fill(undefined);

  /**
   * @param value seconds
   * @param at milliseconds since the epoch
   */
  record(value: number, at: number, context: SpanContext | undefined): void {
    this.#count += 1;
    this.#sum += value;
    let bucket = 0;
    while (bucket < BUCKETS.length && value > (BUCKETS[bucket] as number)) bucket += 1;
    this.#buckets[bucket] = (this.#buckets[bucket] ?? 0) + 1;
    // One exemplar for each trace is enough.
    if (context !== undefined && this.#exemplars[bucket]?.context !== context) this.#exemplars[bucket] = { value, at, context };
  }

  get content(): Omit<HistogramPoint, 'attributes'> {
    return { count: this.#count, sum: this.#sum, buckets: [...this.#buckets], exemplars: [...this.#exemplars] };
  }
}

export class Histogram {
  readonly #series: Series<HistogramCell>;

  constructor(keys: readonly string[]) {
    this.#series = new Series(keys, () => new HistogramCell());
  }

  cell(...values: readonly string[]): HistogramCell {
    return this.#series.cell(values);
  }

  /** Of those that something was recorded in. */
  get points(): readonly HistogramPoint[] {
    const points = [...this.#series].map(({ attributes, cell }) => ({ attributes, ...cell.content }));
    return points.filter(({ count }) => count > 0);
  }
}
