/**
 * `npm run bench`: builds the release, measures it beside a bare HTTP/2 server, and prints a table. With --quick in small numbers, to see
 * that the benchmark itself works. Nothing is asserted: the goals stand in the table.
 */

import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { DevWorkloadApi } from '../../src/dev/dev-workload-api.ts';
import { type FanOutOptions, measureFanOut, measureLatency, measureMemory, measureOpening, measureReady } from './measures.ts';
import { floorSubject, issueRotations, sidecarSubject } from './subject.ts';

const LIMIT_MS = 300_000;

const quick = process.argv.includes('--quick');
const size = quick
  ? { runs: 1, idleMs: 100, messages: 5, opened: 20, connections: 2, streams: 10, pushes: 2 }
  : { runs: 11, idleMs: 3_000, messages: 200, opened: 1_000, connections: 10, streams: 1_000, pushes: 20 };

const limit = setTimeout(() => {
  process.stderr.write(`the benchmark did not end within ${LIMIT_MS / 1000} s\n`);
  process.exit(1);
}, LIMIT_MS);

const folder = await mkdtemp(join(tmpdir(), 'spiffe-sds-bench-'));
try {
  if (!process.argv.includes('--no-build')) execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
  await using api = await DevWorkloadApi.start({ address: `unix://${join(folder, 'workload.sock')}`, rotateEveryMs: 0 });
  const sidecar = sidecarSubject(folder, api, await issueRotations(api, size.messages));
  const { answerBytes } = await measureReady(sidecar, 1);
  const floor = floorSubject(folder, answerBytes);
  const subjects = [sidecar, floor] as const;
  const both = <T>(measure: (subject: typeof sidecar) => Promise<T>) => inTurn(subjects, measure);

  print(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, ${process.platform}/${process.arch}\n`);
  print('| what | measured | floor | goal |\n|---|---|---|---|');
  row(
    'spawn to first answer',
    'ms',
    await both(async (subject) => (await measureReady(subject, size.runs)).ms),
    '≤ 150, better 100',
  );
  row(
    'resident memory, idle, one subscriber',
    'MB',
    await both((subject) => measureMemory(subject, Math.min(size.runs, 3), size.idleMs)),
    '≤ 80, better 70',
  );
  const latencies = await both((subject) => measureLatency(subject, size.messages));
  row(
    'Workload API message to subscriber, p50',
    'ms',
    latencies.map(({ p50 }) => p50),
    '≤ 2',
  );
  row(
    'Workload API message to subscriber, p99',
    'ms',
    latencies.map(({ p99 }) => p99),
    '≤ 5',
  );
  row(
    `${size.opened} streams opened at once, 60 KB each, all answered`,
    'ms',
    await both((subject) => measureOpening(subject, size.opened, Math.min(size.runs, 5))),
    '≤ 200',
  );
  const options: Omit<FanOutOptions, 'acknowledge'> = size;
  const pushes = await both((subject) => measureFanOut(subject, { ...options, acknowledge: false }));
  const subscribers = size.connections * size.streams;
  row(
    `push to ${subscribers} streams: CPU for each`,
    'µs',
    pushes.map(({ cpuUs }) => cpuUs),
    '≤ 12, better 8',
  );
  row(
    `push to ${subscribers} streams: message to last receipt`,
    'ms',
    pushes.map(({ lastMs }) => lastMs),
    '',
  );
  row(
    `push to ${subscribers} streams: peak memory`,
    'MB',
    pushes.map(({ peakMb }) => peakMb),
    '',
  );
  const acknowledged = await both((subject) => measureFanOut(subject, { ...options, acknowledge: true }));
  row(
    'the same and its ACK: CPU for each',
    'µs',
    acknowledged.map(({ cpuUs }) => cpuUs),
    '',
  );
} finally {
  clearTimeout(limit);
  await rm(folder, { recursive: true, force: true });
}

async function inTurn<S, T>(subjects: readonly S[], measure: (subject: S) => Promise<T>): Promise<readonly T[]> {
  const results: T[] = [];
  for (const subject of subjects) results.push(await measure(subject));
  return results;
}

function row(what: string, unit: string, values: readonly number[], goal: string): void {
  const [measured, floor] = values.map((value) => `${value.toFixed(value < 10 ? 2 : 0)} ${unit}`);
  print(`| ${what} | ${measured} | ${floor} | ${goal === '' ? '' : `${goal} ${unit}`} |`);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
