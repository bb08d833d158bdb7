/**
 * What this process uses of its machine, read at each export. Prometheus and OpenTelemetry have standard names of their own for it, on
 * which the dashboards of each rely: `/metrics` has the former, OTLP the latter.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8';
import type { Instrument, InstrumentKind } from './instruments.ts';
import type { Metric, NumberPoint } from './metric.ts';

const CPU_MODE = 'cpu.mode';
const HEAP_SPACE = 'v8js.heap.space.name';

/** The names of Prometheus's own client libraries, as OpenTelemetry would write them. */
export const PROCESS_INSTRUMENTS = {
  cpu: instrument('process.cpu', 'counter', 's', 'User and system CPU time spent.'),
  residentMemory: instrument('process.resident_memory', 'gauge', 'By', 'Resident memory.'),
  startTime: instrument('process.start_time', 'gauge', 's', 'When the process started, unix time.'),
  openFds: instrument('process.open_fds', 'gauge', '{fd}', 'Open file descriptors.'),
  maxFds: instrument('process.max_fds', 'gauge', '{fd}', 'How many file descriptors may be open.'),
  heapUsed: instrument('nodejs.heap_size_used', 'gauge', 'By', 'Memory of the JavaScript heap in use.'),
  heapTotal: instrument('nodejs.heap_size_total', 'gauge', 'By', 'Memory of the JavaScript heap.'),
} as const;

/** OpenTelemetry's semantic conventions 1.45: "process metrics" and "V8 JS engine runtime metrics". */
export const OTLP_PROCESS_INSTRUMENTS = {
  cpuTime: instrument('process.cpu.time', 'counter', 's', 'CPU time spent, by mode: user or system.', [CPU_MODE]),
  memoryUsage: instrument('process.memory.usage', 'up_down_counter', 'By', 'Resident memory.'),
  fileDescriptors: instrument(
    'process.unix.file_descriptor.count',
    'up_down_counter',
    '{file_descriptor}',
    'Open file descriptors.',
  ),
  uptime: instrument('process.uptime', 'gauge', 's', 'Time since the process started.'),
  heapUsed: instrument('v8js.memory.heap.used', 'up_down_counter', 'By', 'Memory of the JavaScript heap in use.', [HEAP_SPACE]),
  heapSize: instrument('v8js.memory.heap.space.size', 'up_down_counter', 'By', 'Memory of the JavaScript heap.', [HEAP_SPACE]),
} as const;

/** @returns for `/metrics`; no points for values that this system does not have, such as resident memory where there is no /proc */
export function processMetrics(): readonly Metric[] {
  const { user, system } = process.cpuUsage();
  const { used_heap_size: heapUsed, total_heap_size: heapTotal } = getHeapStatistics();
  return [
    metric(PROCESS_INSTRUMENTS.cpu, (user + system) / 1e6),
    metric(PROCESS_INSTRUMENTS.residentMemory, ifReadable(residentMemory)),
    metric(PROCESS_INSTRUMENTS.startTime, performance.timeOrigin / 1000),
    metric(PROCESS_INSTRUMENTS.openFds, ifReadable(openFds)),
    metric(PROCESS_INSTRUMENTS.maxFds, ifReadable(maxFds)),
    metric(PROCESS_INSTRUMENTS.heapUsed, heapUsed),
    metric(PROCESS_INSTRUMENTS.heapTotal, heapTotal),
  ];
}

/** @returns for OTLP; the conventions have no name for the limit of file descriptors, and the time of the start is `process.uptime` ago */
export function otlpProcessMetrics(): readonly Metric[] {
  const { user, system } = process.cpuUsage();
  const spaces = getHeapSpaceStatistics();
  const ofSpaces = (size: (space: (typeof spaces)[number]) => number): readonly NumberPoint[] =>
    spaces.map((space) => ({ attributes: { [HEAP_SPACE]: space.space_name }, value: size(space) }));
  const cpu = { user: user / 1e6, system: system / 1e6 };
  return [
    {
      instrument: OTLP_PROCESS_INSTRUMENTS.cpuTime,
      points: Object.entries(cpu).map(([mode, value]) => ({ attributes: { [CPU_MODE]: mode }, value })),
    },
    metric(OTLP_PROCESS_INSTRUMENTS.memoryUsage, ifReadable(residentMemory)),
    metric(OTLP_PROCESS_INSTRUMENTS.fileDescriptors, ifReadable(openFds)),
    metric(OTLP_PROCESS_INSTRUMENTS.uptime, process.uptime()),
    { instrument: OTLP_PROCESS_INSTRUMENTS.heapUsed, points: ofSpaces((space) => space.space_used_size) },
    { instrument: OTLP_PROCESS_INSTRUMENTS.heapSize, points: ofSpaces((space) => space.space_size) },
  ];
}

function instrument<Kind extends InstrumentKind>(
  name: string,
  kind: Kind,
  unit: string,
  description: string,
  attributes: readonly string[] = [],
): Instrument<Kind> {
  return { name, kind, unit, description, attributes };
}

function metric(of: Instrument<Exclude<InstrumentKind, 'histogram'>>, value: number | undefined): Metric {
  return { instrument: of, points: value === undefined ? [] : [{ attributes: {}, value }] };
}

function residentMemory(): number {
  return process.memoryUsage.rss();
}

/** Since Linux 6.2 that is the folder's size; to list ten thousand takes milliseconds, in which nothing is served. */
function openFds(): number {
  return statSync('/proc/self/fd').size || readdirSync('/proc/self/fd').length - 1;
}

function maxFds(): number | undefined {
  const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return soft === undefined ? undefined : Number(soft);
}

function ifReadable(read: () => number | undefined): number | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
