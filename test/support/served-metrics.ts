import { INSTRUMENTS } from '../../src/telemetry/instruments.ts';
import type { Metric } from '../../src/telemetry/metric.ts';
import { PROCESS_INSTRUMENTS } from '../../src/telemetry/process-metrics.ts';
import { formatPrometheus } from '../../src/telemetry/prometheus.ts';

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
