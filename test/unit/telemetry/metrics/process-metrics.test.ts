import { closeSync, openSync } from 'node:fs';
import { afterEach, describe, expect, test, vi } from 'vitest';
import {
  OTLP_PROCESS_INSTRUMENTS,
  otlpProcessMetrics,
  PROCESS_INSTRUMENTS,
  processMetrics,
} from '../../../../src/telemetry/metrics/process-metrics.ts';
import { formatPrometheus } from '../../../../src/telemetry/metrics/prometheus.ts';

function samples(accept = ''): ReadonlyMap<string, number> {
  const { text } = formatPrometheus(processMetrics(), {}, accept);
  const lines = text.split('\n').filter((line) => /^(process|nodejs)_/.test(line));
  return new Map(lines.map((line) => [line.split(' ')[0] as string, Number(line.split(' ')[1])]));
}

function sample(name: string): number {
  return samples().get(name) ?? Number.NaN;
}

test('every instrument is measured, once, in order', () => {
  expect(processMetrics().map(({ instrument }) => instrument)).toEqual(Object.values(PROCESS_INSTRUMENTS));
});

test.each(['', 'application/openmetrics-text'])(
  "they have the names of Prometheus's client libraries, for who accepts '%s'",
  (accept) => {
    expect([...samples(accept).keys()]).toEqual([
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'process_start_time_seconds',
      'process_open_fds',
      'process_max_fds',
      'nodejs_heap_size_used_bytes',
      'nodejs_heap_size_total_bytes',
    ]);
  },
);

describe('where there is no /proc', () => {
  afterEach(() => void vi.restoreAllMocks());

  test.each([
    ['/metrics', processMetrics, PROCESS_INSTRUMENTS.residentMemory],
    ['OTLP', otlpProcessMetrics, OTLP_PROCESS_INSTRUMENTS.memoryUsage],
  ] as const)('resident memory is missing from %s, and nothing else', (_, metrics, memory) => {
    vi.spyOn(process.memoryUsage, 'rss').mockImplementation(() => {
      throw new Error('ENOENT: no such file or directory, uv_resident_set_memory');
    });
    expect(metrics().flatMap(({ instrument, points }) => (points.length === 0 ? [instrument] : []))).toEqual([memory]);
  });
});

test('a size has its unit in OpenMetrics', () => {
  const { text } = formatPrometheus(processMetrics(), {}, 'application/openmetrics-text');
  expect(text).toContain('# UNIT process_resident_memory_bytes bytes\n');
});

describe('a process', () => {
  test('has the CPU time in seconds that it has taken, user and system', () => {
    const seconds = () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    };
    const before = seconds();
    const told = sample('process_cpu_seconds_total');
    expect(told).toBeGreaterThanOrEqual(before);
    expect(told).toBeLessThanOrEqual(seconds());
  });

  test('has more file descriptors when it opens files, and a limit', () => {
    const before = sample('process_open_fds');
    const fds = Array.from({ length: 50 }, () => openSync('/dev/null', 'r'));
    const after = sample('process_open_fds');
    for (const fd of fds) closeSync(fd);
    // Other threads of this process open and close some, too.
    expect(after).toBeGreaterThan(before + 25);
    expect(sample('process_max_fds')).toBeGreaterThan(before);
  });

  test('uses less of its heap than it has, which is a part of its memory', () => {
    const told = samples();
    expect(told.get('nodejs_heap_size_used_bytes')).toBeLessThan(told.get('nodejs_heap_size_total_bytes') ?? 0);
    expect(told.get('nodejs_heap_size_total_bytes')).toBeLessThan(told.get('process_resident_memory_bytes') ?? 0);
  });

  test('started in the past', () => {
    expect(sample('process_start_time_seconds')).toBeCloseTo(Date.now() / 1000 - process.uptime(), 0);
  });
});

describe('by OTLP, a process', () => {
  const points = (name: string) => otlpProcessMetrics().find(({ instrument }) => instrument.name === name)?.points ?? [];
  const total = (name: string) => points(name).reduce((sum, point) => sum + ('value' in point ? point.value : Number.NaN), 0);

  test('measures every instrument, once, in order', () => {
    expect(otlpProcessMetrics().map(({ instrument }) => instrument)).toEqual(Object.values(OTLP_PROCESS_INSTRUMENTS));
  });

  test('has the names, kinds and units of the semantic conventions', () => {
    expect(otlpProcessMetrics().map(({ instrument: { name, kind, unit } }) => [name, kind, unit])).toEqual([
      ['process.cpu.time', 'counter', 's'],
      ['process.memory.usage', 'up_down_counter', 'By'],
      ['process.unix.file_descriptor.count', 'up_down_counter', '{file_descriptor}'],
      ['process.uptime', 'gauge', 's'],
      ['v8js.memory.heap.used', 'up_down_counter', 'By'],
      ['v8js.memory.heap.space.size', 'up_down_counter', 'By'],
    ]);
  });

  test('shows its CPU time by mode', () => {
    expect(points('process.cpu.time').map(({ attributes }) => attributes)).toEqual([
      { 'cpu.mode': 'user' },
      { 'cpu.mode': 'system' },
    ]);
    expect(total('process.cpu.time')).toBeGreaterThanOrEqual(sample('process_cpu_seconds_total') - 1);
  });

  test('uses less of its heap than it has, which is a part of its memory', () => {
    expect(total('v8js.memory.heap.used')).toBeLessThan(total('v8js.memory.heap.space.size'));
    expect(total('v8js.memory.heap.space.size')).toBeLessThan(total('process.memory.usage'));
  });

  test('has a point only with the attributes of its instrument', () => {
    for (const { instrument, points } of otlpProcessMetrics()) {
      for (const { attributes } of points) expect(Object.keys(attributes)).toEqual(instrument.attributes);
    }
  });
});
