import { INSTRUMENTS } from '../../../src/telemetry/metrics/instruments.ts';
import type { Metric } from '../../../src/telemetry/metrics/metric.ts';
import { PROCESS_INSTRUMENTS } from '../../../src/telemetry/metrics/process-metrics.ts';
import { formatPrometheus } from '../../../src/telemetry/metrics/prometheus.ts';

/** The names of all samples that `/metrics` can have. */
export function servedMetrics(): readonly string[] {
  const metrics = Object.values({ ...INSTRUMENTS, ...PROCESS_INSTRUMENTS }).map((instrument): Metric => {
    const attributes = {};
    return instrument.kind === 'histogram'
      ? { instrument, points: [{ attributes, count: 1, sum: 1, buckets: [1], exemplars: [] }] }
      : { instrument, points: [{ attributes, value: 1 }] };
  });
  const { text } = formatPrometheus(metrics, {}, '');
  return [...new Set([...text.matchAll(/^[a-z_]+/gm)].map(([name]) => name))];
}
