import { describe, expect, test } from 'vitest';
import { BUCKETS, INSTRUMENTS } from '../../../../src/telemetry/metrics/instruments.ts';
import type { Metric } from '../../../../src/telemetry/metrics/metric.ts';
import { formatPrometheus } from '../../../../src/telemetry/metrics/prometheus.ts';

const OPEN_METRICS = 'application/openmetrics-text; version=1.0.0, text/plain;q=0.5';
const size = BUCKETS.length + 1;

const COUNTER: Metric = {
  instrument: INSTRUMENTS.push,
  points: [{ attributes: { 'secret.kind': 'tls_certificate', 'sds.method': 'sotw' }, value: 3 }],
};
const GAUGE: Metric = {
  instrument: INSTRUMENTS.svidNotAfter,
  points: [{ attributes: { 'spiffe.id': 'spiffe://a/b' }, value: 12.5 }],
};
const HISTOGRAM: Metric = {
  instrument: INSTRUMENTS.pushDuration,
  points: [
    {
      attributes: { 'secret.kind': 'tls_certificate' },
      count: 3,
      sum: 40,
      buckets: Array.from({ length: size }, (_, i) => (i === 1 ? 2 : i === size - 1 ? 1 : 0)),
      exemplars: Array.from({ length: size }, (_, i) =>
        i === 1 ? { value: 0.0007, at: 1_500, context: { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) } } : undefined,
      ),
    },
  ],
};

function lines(metric: Metric, accept = ''): readonly string[] {
  return formatPrometheus([metric], {}, accept).text.trimEnd().split('\n').slice(3);
}

describe("in Prometheus's own format", () => {
  test('a counter has its name with underscores and the suffix of counters', () => {
    expect(lines(COUNTER)).toEqual([
      '# HELP spiffe_sds_push_total Secrets sent.',
      '# TYPE spiffe_sds_push_total counter',
      'spiffe_sds_push_total{secret_kind="tls_certificate",sds_method="sotw"} 3',
    ]);
  });

  test('a time has the suffix of its unit', () => {
    expect(lines(GAUGE)).toEqual([
      expect.stringContaining('# HELP spiffe_svid_not_after_seconds '),
      '# TYPE spiffe_svid_not_after_seconds gauge',
      'spiffe_svid_not_after_seconds{spiffe_id="spiffe://a/b"} 12.5',
    ]);
  });

  test('a histogram has its buckets cumulated, without exemplars', () => {
    const written = lines(HISTOGRAM);
    expect(written).toHaveLength(2 + size + 2);
    expect(written.slice(2, 5)).toEqual([
      'spiffe_sds_push_duration_seconds_bucket{secret_kind="tls_certificate",le="0.0005"} 0',
      'spiffe_sds_push_duration_seconds_bucket{secret_kind="tls_certificate",le="0.001"} 2',
      'spiffe_sds_push_duration_seconds_bucket{secret_kind="tls_certificate",le="0.0025"} 2',
    ]);
    expect(written.slice(-3)).toEqual([
      'spiffe_sds_push_duration_seconds_bucket{secret_kind="tls_certificate",le="+Inf"} 3',
      'spiffe_sds_push_duration_seconds_sum{secret_kind="tls_certificate"} 40',
      'spiffe_sds_push_duration_seconds_count{secret_kind="tls_certificate"} 3',
    ]);
  });

  test('whole bounds are written as in OpenMetrics, so that they are the same series', () => {
    expect(lines(HISTOGRAM).join('\n')).toContain('le="10.0"');
  });

  test('what was never measured is left out', () => {
    expect(lines({ instrument: INSTRUMENTS.svidNotAfter, points: [] })).toEqual([]);
  });

  test('values of labels are escaped', () => {
    const gauge: Metric = { ...GAUGE, points: [{ attributes: { 'spiffe.id': 'a"b\\c\nd' }, value: 1 }] } as Metric;
    expect(lines(gauge).at(-1)).toBe('spiffe_svid_not_after_seconds{spiffe_id="a\\"b\\\\c\\nd"} 1');
  });

  test('the resource stands in target_info', () => {
    expect(formatPrometheus([], { 'service.name': 'spiffe-sds' }, '').text).toContain(
      'target_info{service_name="spiffe-sds"} 1\n',
    );
  });
});

describe('in OpenMetrics, for a scraper that accepts it', () => {
  test('a counter is described without its suffix', () => {
    expect(lines(COUNTER, OPEN_METRICS).slice(0, 3)).toEqual([
      '# HELP spiffe_sds_push Secrets sent.',
      '# TYPE spiffe_sds_push counter',
      'spiffe_sds_push_total{secret_kind="tls_certificate",sds_method="sotw"} 3',
    ]);
  });

  test('a time has its unit', () => {
    expect(lines(GAUGE, OPEN_METRICS)).toContain('# UNIT spiffe_svid_not_after_seconds seconds');
  });

  test('a bucket has the trace that its latest value belongs to', () => {
    expect(lines(HISTOGRAM, OPEN_METRICS)).toContain(
      `spiffe_sds_push_duration_seconds_bucket{secret_kind="tls_certificate",le="0.001"} 2 # {trace_id="${'a'.repeat(32)}",span_id="${'b'.repeat(16)}"} 0.0007 1.500`,
    );
  });

  test('the end is marked, and the content type is that of OpenMetrics', () => {
    const { text, contentType } = formatPrometheus([COUNTER], {}, OPEN_METRICS);
    expect([text.endsWith('# EOF\n'), contentType]).toEqual([true, 'application/openmetrics-text; version=1.0.0; charset=utf-8']);
  });
});
