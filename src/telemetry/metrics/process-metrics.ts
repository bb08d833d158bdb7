/** What this process takes of its machine, under the names that Prometheus's own client libraries use. Read when somebody asks. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import type { Instrument, InstrumentKind } from './instruments.ts';
import type { Metric } from './metric.ts';

export const PROCESS_INSTRUMENTS = {
  cpu: instrument('process.cpu', 'counter', 's', 'User and system CPU time spent.'),
  residentMemory: instrument('process.resident_memory', 'gauge', 'By', 'Resident memory.'),
  startTime: instrument('process.start_time', 'gauge', 's', 'When the process started, unix time.'),
  openFds: instrument('process.open_fds', 'gauge', '{fd}', 'Open file descriptors.'),
  maxFds: instrument('process.max_fds', 'gauge', '{fd}', 'How many file descriptors may be open.'),
  heapUsed: instrument('nodejs.heap_size_used', 'gauge', 'By', 'Memory of the JavaScript heap in use.'),
  heapTotal: instrument('nodejs.heap_size_total', 'gauge', 'By', 'Memory of the JavaScript heap.'),
} as const;

/** @returns no points for what this system does not tell: file descriptors, where there is no /proc */
export function processMetrics(): readonly Metric[] {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, heapTotal } = process.memoryUsage();
  return [
    metric(PROCESS_INSTRUMENTS.cpu, (user + system) / 1e6),
    metric(PROCESS_INSTRUMENTS.residentMemory, rss),
    metric(PROCESS_INSTRUMENTS.startTime, performance.timeOrigin / 1000),
    metric(PROCESS_INSTRUMENTS.openFds, told(openFds)),
    metric(PROCESS_INSTRUMENTS.maxFds, told(maxFds)),
    metric(PROCESS_INSTRUMENTS.heapUsed, heapUsed),
    metric(PROCESS_INSTRUMENTS.heapTotal, heapTotal),
  ];
}

function instrument<Kind extends InstrumentKind>(name: string, kind: Kind, unit: string, description: string): Instrument<Kind> {
  return { name, kind, unit, description, attributes: [] };
}

function metric(of: Instrument<'counter'> | Instrument<'gauge'>, value: number | undefined): Metric {
  return { instrument: of, points: value === undefined ? [] : [{ attributes: {}, value }] };
}

/** Since Linux 6.2 that is the folder's size; to list ten thousand takes milliseconds, in which nothing is served. */
function openFds(): number {
  return statSync('/proc/self/fd').size || readdirSync('/proc/self/fd').length - 1;
}

function maxFds(): number | undefined {
  const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
  return soft === undefined ? undefined : Number(soft);
}

function told(read: () => number | undefined): number | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
