/**
 * Metrics as Prometheus reads them: its text format 0.0.4, and OpenMetrics 1.0 for who accepts it, which has exemplars. OpenTelemetry's own
 * exporter knows neither exemplars nor the suffixes of units, and would cost every sidecar the memory of its SDK.
 */
import { BUCKETS, type Instrument } from './instruments.ts';
import { type Attributes, type Exemplar, type HistogramPoint, isHistogram, type Metric, type NumberPoint } from './metric.ts';

export interface Exposition {
  readonly contentType: string;
  readonly text: string;
}

/** By unit, as OpenTelemetry writes that. */
const UNITS: Readonly<Record<string, string>> = { s: 'seconds', By: 'bytes' };

const OPEN_METRICS = 'application/openmetrics-text';

/**
 * @param resource the attributes that identify this process, as labels of `target_info`
 * @param accept the HTTP header of the request
 */
export function formatPrometheus(metrics: readonly Metric[], resource: Attributes, accept: string): Exposition {
  const open = accept.includes(OPEN_METRICS);
  const families = metrics.filter(({ points }) => points.length > 0).map((metric) => familyOf(metric, open));
  const text = [targetInfo(resource, open), ...families, ...(open ? ['# EOF\n'] : [])].join('');
  return {
    contentType: open ? `${OPEN_METRICS}; version=1.0.0; charset=utf-8` : 'text/plain; version=0.0.4; charset=utf-8',
    text,
  };
}

function targetInfo(resource: Attributes, open: boolean): string {
  const family = open ? 'target' : 'target_info';
  return `# HELP ${family} What this process is.\n# TYPE ${family} ${open ? 'info' : 'gauge'}\ntarget_info${labelsOf(resource)} 1\n`;
}

/** @returns the name of its samples; those of a histogram have `_bucket`, `_sum` and `_count` after it */
export function sampleName(instrument: Instrument): string {
  return instrument.kind === 'counter' ? `${familyName(instrument)}_total` : familyName(instrument);
}

function familyName({ name, unit }: Instrument): string {
  return UNITS[unit] === undefined ? sanitized(name) : `${sanitized(name)}_${UNITS[unit]}`;
}

function familyOf(metric: Metric, open: boolean): string {
  const { kind, description } = metric.instrument;
  const unit = UNITS[metric.instrument.unit];
  const family = familyName(metric.instrument);
  const sample = sampleName(metric.instrument);
  const shownName = open ? family : sample;
  return [
    `# HELP ${shownName} ${description.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n`,
    `# TYPE ${shownName} ${kind === 'up_down_counter' ? 'gauge' : kind}\n`,
    ...(open && unit !== undefined ? [`# UNIT ${shownName} ${unit}\n`] : []),
    ...samplesOf(metric, sample, open),
  ].join('');
}

function samplesOf(metric: Metric, name: string, open: boolean): readonly string[] {
  if (isHistogram(metric)) return metric.points.flatMap((point) => histogram(name, point, open));
  const points: readonly NumberPoint[] = metric.points;
  return points.map(({ attributes, value }) => `${name}${labelsOf(attributes)} ${value}\n`);
}

function histogram(
  name: string,
  { attributes, count, sum, buckets, exemplars }: HistogramPoint,
  open: boolean,
): readonly string[] {
  let below = 0;
  const lines = buckets.map((inBucket, i) => {
    below += inBucket;
    const bound = BUCKETS[i];
    const exemplar = open ? exemplarOf(exemplars[i]) : '';
    return `${name}_bucket${labelsOf({ ...attributes, le: bound === undefined ? '+Inf' : boundText(bound) })} ${below}${exemplar}\n`;
  });
  const labels = labelsOf(attributes);
  return [...lines, `${name}_sum${labels} ${sum}\n`, `${name}_count${labels} ${count}\n`];
}

/** OpenMetrics, "Considerations: canonical numbers": both formats write them alike, so that they are the same series. */
function boundText(bound: number): string {
  return Number.isInteger(bound) ? `${bound}.0` : String(bound);
}

function exemplarOf(exemplar: Exemplar | undefined): string {
  if (exemplar === undefined) return '';
  const { value, at, context } = exemplar;
  return ` # ${labelsOf({ trace_id: context.traceId, span_id: context.spanId })} ${value} ${(at / 1000).toFixed(3)}`;
}

function labelsOf(attributes: Attributes): string {
  const labels = Object.entries(attributes).map(([key, value]) => `${sanitized(key)}="${escaped(value)}"`);
  return labels.length === 0 ? '' : `{${labels.join(',')}}`;
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

/** As a name of Prometheus. */
export function sanitized(name: string): string {
  return name.replaceAll(/\W/g, '_');
}
