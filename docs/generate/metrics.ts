import { systemClock } from '../../src/clock.ts';
import { Observed } from '../../src/state/observed.ts';
import { MAX_SERIES, OVERFLOW } from '../../src/telemetry/metrics/aggregates.ts';
import { ATTRIBUTES, BUCKETS, INSTRUMENTS, type Instrument } from '../../src/telemetry/metrics/instruments.ts';
import { Measurements } from '../../src/telemetry/metrics/measurements.ts';
import { OTLP_PROCESS_INSTRUMENTS, PROCESS_INSTRUMENTS } from '../../src/telemetry/metrics/process-metrics.ts';
import { sampleName, sanitized } from '../../src/telemetry/metrics/prometheus.ts';
import { code, MADE, table } from './markdown.ts';

const HEAD = `# Metrics

The admin API serves them at \`/metrics\` for Prometheus, in its text format or as OpenMetrics with exemplars. With an endpoint in
\`telemetry.otlp\` or \`OTEL_EXPORTER_OTLP_ENDPOINT\` the same go to a collector by OTLP, cumulative, under their OpenTelemetry names.
[deploy/observability](../deploy/observability/README.md) has a dashboard, alerts and a runbook for them.

In Prometheus, attributes are labels with underscores in place of dots: ${code('spiffe.id')} is ${code(sanitized('spiffe.id'))}. Times are seconds since 1970.
Counters begin at 0 with the process.
`;

export function metricsPage(): string {
  return [
    MADE,
    HEAD,
    `\n## Instruments\n\n${table(
      ['name', 'in Prometheus', 'kind, unit', 'attributes', ''],
      Object.values(INSTRUMENTS).map((instrument) => [
        code(instrument.name),
        code(sampleName(instrument)),
        kindOf(instrument),
        instrument.attributes.map(code).join(', '),
        instrument.description,
      ]),
    )}`,
    `\nA histogram is ${code('_bucket')}, ${code('_sum')} and ${code('_count')} in Prometheus. The upper bounds of all histograms, in seconds: ${BUCKETS.join(', ')}.\n`,
    `\n## Attributes\n\n${table(['attribute', 'is', 'values'], attributes())}`,
    `\nThe values that stand here are there from the start, as 0. Of one instrument at most ${MAX_SERIES} combinations of values are kept. What comes\nbeyond is counted together, with the attribute ${Object.entries(OVERFLOW).map(([key, value]) => code(`${key}="${value}"`))}.\n`,
    `\n## The process\n\nIn \`/metrics\`, under the names of Prometheus's own client libraries:\n\n${table(
      ['in Prometheus', 'kind', ''],
      Object.values(PROCESS_INSTRUMENTS).map((instrument) => [
        code(sampleName(instrument)),
        instrument.kind,
        instrument.description,
      ]),
    )}`,
    `\nBy OTLP, under the names of OpenTelemetry's semantic conventions:\n\n${table(
      ['name', 'kind, unit', 'attributes', ''],
      Object.values(OTLP_PROCESS_INSTRUMENTS).map((instrument) => [
        code(instrument.name),
        kindOf(instrument),
        instrument.attributes.map(code).join(', '),
        instrument.description,
      ]),
    )}`,
  ].join('');
}

function kindOf({ kind, unit }: Instrument): string {
  const name = kind.replaceAll('_', '-');
  return unit === '' ? name : `${name}, ${code(unit)}`;
}

/** With the values that are there before anything has happened. */
function attributes(): readonly (readonly string[])[] {
  const metrics = new Measurements(new Observed(systemClock)).collect();
  return Object.entries(ATTRIBUTES).map(([attribute, is]) => {
    const values = metrics.flatMap(({ instrument, points }) => {
      const found = new Set(points.map((point) => point.attributes[attribute]).filter((value) => value !== undefined));
      return found.size === 0 ? [] : [{ instrument: instrument.name, list: [...found].map(code).join(', ') }];
    });
    const lists = new Set(values.map(({ list }) => list));
    const text = lists.size === 1 ? [...lists] : values.map(({ instrument, list }) => `${code(instrument)}: ${list}`);
    return [code(attribute), is, text.join('; ')];
  });
}
