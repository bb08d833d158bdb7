/**
 * `npm run bench`: builds the release, measures it beside a bare HTTP/2 server, and prints a table. With --quick in small numbers, to see
 * that the benchmark itself works. Nothing is asserted: the goals stand in the table.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';
import {
  type FanOutOptions,
  measureFanOut,
  measureLatency,
  measureMemory,
  measureOpening,
  measureReady,
  measureSizes,
} from './measures.ts';
import { floorSubject, issueRotations, type Subject, sidecarSubject } from './subject.ts';
import { measureTelemetry, type TelemetryCounts } from './telemetry.ts';

const LIMIT_MS = 600_000;

const counts = process.argv.includes('--quick')
  ? { starts: 1, runs: 1, idleMs: 100, messages: 5, opened: 20, connections: 2, streams: 10, pushes: 2 }
  : { starts: 15, runs: 5, idleMs: 3_000, messages: 200, opened: 1_000, connections: 10, streams: 1_000, pushes: 20 };
const telemetryCounts: TelemetryCounts = process.argv.includes('--quick')
  ? { pairs: 1, starts: 1, streams: 10, pushes: 2, idleMs: 100 }
  : { pairs: 5, starts: 5, streams: 1_000, pushes: 40, idleMs: 3_000 };

const folder = mkdtempSync(join(tmpdir(), 'spiffe-sds-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const limit = setTimeout(() => {
  process.stderr.write(`the benchmark did not end within ${LIMIT_MS / 1000} s\n`);
  process.exit(1);
}, LIMIT_MS);

execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
{
  await using api = await TestWorkloadApi.start({ address: `unix://${join(folder, 'workload.sock')}`, rotateEveryMs: 0 });
  const rotations = await issueRotations(api, counts.messages);
  const sidecar = sidecarSubject(folder, api, rotations);
  await printTable(sidecar, floorSubject(folder, await measureSizes(sidecar)));
  print('\n| what telemetry costs | on | off | added | goal |\n|---|---|---|---|---|');
  for (const { what, unit, on, off, added, goal } of await measureTelemetry(folder, api, rotations, telemetryCounts)) {
    const share = `${added >= 0 ? '+' : ''}${figure(added)} ${unit} (${((added / off) * 100).toFixed(0)} %)`;
    print(`| ${what} | ${figure(on)} ${unit} | ${figure(off)} ${unit} | ${share} | ${goal} |`);
  }
}
clearTimeout(limit);

async function printTable(sidecar: Subject, floor: Subject): Promise<void> {
  const { starts, runs, idleMs, messages, opened, connections, streams } = counts;
  const both = async <T>(measure: (subject: Subject) => Promise<T>) => [await measure(sidecar), await measure(floor)] as const;
  const fanOut = (acknowledge: boolean) => {
    const options: FanOutOptions = { ...counts, acknowledge };
    return both((subject) => measureFanOut(subject, options));
  };

  const load = loadavg()[0]?.toFixed(1);
  print(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, ${process.platform}/${process.arch}, load ${load}\n`);
  print('| what | measured | floor | goal |\n|---|---|---|---|');
  const ready = await both((subject) => measureReady(subject, starts));
  row('spawn to first answer', 'ms', ready, '≤ 150, better 100');
  const memory = await both((subject) => measureMemory(subject, runs, idleMs));
  row('resident memory, idle, one subscriber', 'MB', memory, '≤ 80, better 70');
  const latency = await both((subject) => measureLatency(subject, messages));
  row('Workload API message to subscriber, p50', 'ms', pick(latency, 'p50'), '≤ 2');
  row('Workload API message to subscriber, p99', 'ms', pick(latency, 'p99'), '≤ 5');
  const opening = await both((subject) => measureOpening(subject, opened, runs));
  row(`${opened} streams opened at once, 60 KB each, all answered`, 'ms', opening, '≤ 200');
  const push = await fanOut(false);
  const what = `push to ${connections * streams} streams`;
  row(`${what}: CPU for each`, 'µs', pick(push, 'cpuUs'), '≤ 12, better 8');
  row(`${what}: message to last receipt`, 'ms', pick(push, 'lastMs'));
  row(`${what}: peak memory`, 'MB', pick(push, 'peakMb'));
  row(`${what}: CPU for each with its ACK`, 'µs', pick(await fanOut(true), 'cpuUs'));
}

type Both<T> = readonly [sidecar: T, floor: T];

function pick<Key extends string>([sidecar, floor]: Both<Readonly<Record<Key, number>>>, key: Key): Both<number> {
  return [sidecar[key], floor[key]];
}

function row(what: string, unit: string, values: Both<number>, goal?: string): void {
  const [measured, floor] = values.map((value) => `${figure(value)} ${unit}`);
  print(`| ${what} | ${measured} | ${floor} | ${goal === undefined ? '' : `${goal} ${unit}`} |`);
}

function figure(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 2 : 0);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
