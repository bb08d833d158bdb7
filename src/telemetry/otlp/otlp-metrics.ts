/** Gives `Metric` values to OpenTelemetry's reader. They stay sums since the start (cumulative temporality). */
import { type HrTime, ValueType } from '@opentelemetry/api';
import { emptyResource } from '@opentelemetry/resources';
import { AggregationTemporality, DataPointType, type MetricData, type MetricProducer } from '@opentelemetry/sdk-metrics';
import { SERVICE_NAME, version } from '../../version.ts';
import { BUCKETS } from '../metrics/instruments.ts';
import { type HistogramPoint, isHistogram, type Metric, type NumberPoint } from '../metrics/metric.ts';

/**
 * Makes the producer that OpenTelemetry's reader asks at each export.
 * @param startedAt when counters began to count: milliseconds since the epoch
 */
export function metricProducer(
  collect: () => readonly Metric[],
  startedAt: number,
  now: () => number = Date.now,
): MetricProducer {
  const startTime = hrTime(startedAt);
  return {
    async collect() {
      const endTime = hrTime(now());
      const metrics = collect()
        .filter(({ points }) => points.length > 0)
        .map((metric) => metricData(metric, startTime, endTime));
      const scopeMetrics = metrics.length === 0 ? [] : [{ scope: { name: SERVICE_NAME, version }, metrics }];
      // The reader takes the resource of the provider.
      return { resourceMetrics: { resource: emptyResource(), scopeMetrics }, errors: [] };
    },
  };
}

function metricData(metric: Metric, startTime: HrTime, endTime: HrTime): MetricData {
  const { name, unit, description, kind } = metric.instrument;
  // Seconds have fractions, also where they are counted.
  const valueType = kind === 'counter' && unit !== 's' ? ValueType.INT : ValueType.DOUBLE;
  const common = {
    descriptor: { name, unit, description, valueType },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  };
  if (isHistogram(metric)) {
    const dataPoints = metric.points.map((point) => ({
      startTime,
      endTime,
      attributes: point.attributes,
      value: histogram(point),
    }));
    return { ...common, dataPointType: DataPointType.HISTOGRAM, dataPoints };
  }
  const points: readonly NumberPoint[] = metric.points;
  const dataPoints = points.map(({ attributes, value }) => ({ startTime, endTime, attributes, value }));
  if (kind === 'counter' || kind === 'up_down_counter') {
    return { ...common, dataPointType: DataPointType.SUM, isMonotonic: kind === 'counter', dataPoints };
  }
  return { ...common, dataPointType: DataPointType.GAUGE, dataPoints };
}

function histogram({ buckets, sum, count }: HistogramPoint) {
  return { buckets: { boundaries: [...BUCKETS], counts: [...buckets] }, sum, count };
}

/** Seconds and nanoseconds. */
function hrTime(milliseconds: number): HrTime {
  return [Math.floor(milliseconds / 1000), Math.floor((milliseconds % 1000) * 1e6)];
}
