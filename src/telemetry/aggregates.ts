/** Counters and histograms as plain numbers: what happens for each push must cost next to nothing. */
import { BUCKETS } from './instruments.ts';
import type { Attributes, Exemplar, HistogramPoint, NumberPoint } from './metric.ts';
import type { SpanContext } from './span.ts';

/** Of one instrument. What comes beyond is counted together, so that no peer can make the exports grow. */
const MAX_SERIES = 1000;
/** As OpenTelemetry marks it (metrics SDK specification, "Overflow attribute"). */
const OVERFLOW: Attributes = { 'otel.metric.overflow': 'true' };

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

  /** Shows it as zero from now on: a rate can be told only of what was there before. */
  show(...values: readonly string[]): void {
    this.#series.cell(values);
  }

  add(...values: readonly string[]): void {
    this.#series.cell(values).value += 1;
  }

  get points(): readonly NumberPoint[] {
    return [...this.#series].map(({ attributes, cell }) => ({ attributes, value: cell.value }));
  }
}

interface HistogramCell {
  count: number;
  sum: number;
  readonly buckets: number[];
  readonly exemplars: (Exemplar | undefined)[];
}

export class Histogram {
  readonly #series: Series<HistogramCell>;

  constructor(keys: readonly string[]) {
    const size = BUCKETS.length + 1;
    this.#series = new Series(keys, () => ({ count: 0, sum: 0, buckets: Array(size).fill(0), exemplars: Array(size) }));
  }

  /**
   * @param value seconds
   * @param at milliseconds since the epoch
   */
  record(value: number, values: readonly string[], at: number, context: SpanContext | undefined): void {
    const cell = this.#series.cell(values);
    cell.count += 1;
    cell.sum += value;
    let bucket = 0;
    while (bucket < BUCKETS.length && value > (BUCKETS[bucket] as number)) bucket += 1;
    cell.buckets[bucket] = (cell.buckets[bucket] ?? 0) + 1;
    if (context !== undefined) cell.exemplars[bucket] = { value, at, context };
  }

  get points(): readonly HistogramPoint[] {
    return [...this.#series].map(({ attributes, cell }) => ({
      attributes,
      count: cell.count,
      sum: cell.sum,
      buckets: [...cell.buckets],
      exemplars: [...cell.exemplars],
    }));
  }
}
