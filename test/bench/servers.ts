/**
 * `node test/bench/servers.ts [--quick]`: what our gRPC server costs by itself and in the sidecar, beside bare node:http2 and beside a bare
 * server of @grpc/grpc-js, all in one run. Ratios to the floor are what counts.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';
import { measureFanOut, measureOpening, measureReady, measureStreams } from './measures.ts';
import { median } from './statistics.ts';
import { bareSubject, floorSubject, issueRotations, type Subject, sidecarSubject } from './subject.ts';

const LIMIT_MS = 900_000;
const SIZES = { answer: 4_096, push: 4_096 };
const quick = process.argv.includes('--quick');
const counts = quick
  ? { rounds: 1, starts: 1, opened: 20, connections: 2, streams: 10, pushes: 2, unanswered: 1 }
  : { rounds: 2, starts: 3, opened: 1_000, connections: 10, streams: 1_000, pushes: 6, unanswered: 2 };

const folder = mkdtempSync(join(tmpdir(), 'spiffe-sds-bench-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
const limit = setTimeout(() => {
  process.stderr.write(`the benchmark did not end within ${LIMIT_MS / 1000} s\n`);
  process.exit(1);
}, LIMIT_MS);

execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
{
  await using api = await TestWorkloadApi.start({ address: `unix://${join(folder, 'workload.sock')}`, rotateEveryMs: 0 });
  const rotations = await issueRotations(api, 20);
  await printTable({
    'node:http2': floorSubject(folder, SIZES),
    'our server': bareSubject(folder, 'own', SIZES),
    'grpc-js': bareSubject(folder, 'grpc-js', SIZES),
    sidecar: sidecarSubject(folder, api, rotations),
  });
}
clearTimeout(limit);

async function printTable(subjects: Readonly<Record<string, Subject>>): Promise<void> {
  const { starts, opened, connections, streams } = counts;
  const many = `${connections * streams} streams`;
  print(`${cpus().length} × ${cpus()[0]?.model}, Node ${process.version}, load ${loadavg()[0]?.toFixed(1)}\n`);
  print(`| what | ${Object.keys(subjects).join(' | ')} |\n|---|${'---|'.repeat(Object.keys(subjects).length)}`);
  /** The subjects in turn, `rounds` times; the medians. */
  const row = async <Name extends string>(
    what: Readonly<Record<Name, string>>,
    measure: (subject: Subject) => Promise<Readonly<Record<Name, number>>>,
  ) => {
    const measured: Readonly<Record<Name, number>>[][] = Object.keys(subjects).map(() => []);
    for (let round = 0; round < counts.rounds; round++) {
      for (const [index, subject] of Object.values(subjects).entries()) measured[index]?.push(await measure(subject));
    }
    for (const name of Object.keys(what) as Name[]) {
      const medians = measured.map((rounds) => median(rounds.map((round) => round[name])));
      const cells = medians.map((value) => `${figure(value)} (${(value / (medians[0] ?? 1)).toFixed(1)})`);
      print(`| ${what[name]} | ${cells.join(' | ')} |`);
    }
  };
  await row({ ms: 'spawn to first answer, ms' }, async (subject) => ({ ms: await measureReady(subject, starts) }));
  await row({ ms: `${opened} streams at once, 60 KB each, all answered, ms` }, async (subject) => ({
    ms: await measureOpening(subject, opened, 1),
  }));
  await row({ cpuUs: `CPU a new stream, ${many}, µs`, mb: `resident memory with them, MB` }, (subject) =>
    measureStreams(subject, counts),
  );
  for (const acknowledge of [false, true]) {
    const answered = acknowledge ? ', ACKed' : '';
    await row(
      {
        cpuUs: `CPU a push, ${many}${answered}, µs`,
        lastMs: `push to last receipt${answered}, ms`,
        peakMb: `peak memory${answered}, MB`,
      },
      // A sidecar holds back what is new from ten thousand streams that leave three responses without an answer.
      (subject) => measureFanOut(subject, { ...counts, pushes: acknowledge ? counts.pushes : counts.unanswered, acknowledge }),
    );
  }
}

function figure(value: number): string {
  return value.toFixed(value < 100 ? 1 : 0);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
