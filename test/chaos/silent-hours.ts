/** A real sidecar with streams that take secrets and never answer, over many rotations; and its memory. */
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SdsClient } from '../support/sds/sds-client.ts';
import { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';
import { Follower } from './followers.ts';
import { Life } from './life.ts';

export interface SilentOptions {
  readonly rotations: number;
  /** No rotation begins later: `performance.now()`. */
  readonly deadline?: number;
}

export interface SilentReport {
  readonly rotations: number;
  readonly lost: readonly string[];
  /** Resident memory, the least of ten samples: after the warm-up, and at the end. */
  readonly memoryMb: { readonly before: number; readonly after: number };
  readonly output: string;
}

export const SILENT = { delta: 5, sotw: 10 } as const;
/** Rotations after which memory is looked at first; of a short run a half. */
export const WARM_UP = 1_000;
/**
 * V8 lets the garbage of rotations stand until the heap has doubled, so that what is kept could not be told from what is not. With this it
 * collects when the heap has grown by a fifth.
 */
const FLAGS = ['--heap-growing-percent=20'];
const WORKLOAD = 'spiffe://example.org/workload';
const LIMIT_MS = 30_000;
/** As many rotations at most are on their way at once. */
const BATCH = 10;
const SAMPLES = 10;

export async function silentHours({ rotations, deadline = Number.POSITIVE_INFINITY }: SilentOptions): Promise<SilentReport> {
  await using parts = new AsyncDisposableStack();
  const folder = parts.use(await mkdtempDisposable(join(tmpdir(), 'silent-hours-'))).path;
  const socket = join(folder, 'sds.sock');
  const api = parts.use(await TestWorkloadApi.start({ address: `unix://${join(folder, 'workload.sock')}`, rotateEveryMs: 0 }));
  const configuration = { log: { audit: '' } };
  const life = parts.use(await Life.begin({ workloadApi: api.address, socket, configuration, flags: FLAGS }));
  const client = parts.use(new SdsClient(socket));
  const witness = new Follower(client, 'sotw', WORKLOAD);
  const newest = () => witness.has(api.serials().get(WORKLOAD), LIMIT_MS);
  await newest();
  const silent = [
    ...Array.from({ length: SILENT.delta }, () => client.delta().subscribe(WORKLOAD)),
    ...Array.from({ length: SILENT.sotw }, () => client.stream().request([WORKLOAD])),
  ];
  // Each has the first, and says nothing of it.
  for (const stream of silent) await stream.next();

  const warmUp = Math.min(WARM_UP, rotations / 2);
  const lost: string[] = [];
  const [early, late]: [number[], number[]] = [[], []];
  let done = 0;
  while (done < rotations && lost.length === 0 && performance.now() < deadline) {
    for (let n = 0; n < BATCH && done < rotations; n++, done++) await api.rotate();
    await newest().catch((error: Error) => lost.push(`beside silent streams: ${error.message}`));
    if (done <= warmUp) early.push(life.memoryMb());
    late.push(life.memoryMb());
    // What came is let go of here: this process is not what is measured.
    for (const stream of silent) while (stream.waiting > 0) await stream.next();
  }
  const least = (samples: readonly number[]) => Math.min(...samples.slice(-SAMPLES));
  return { rotations: done, lost, memoryMb: { before: least(early), after: least(late) }, output: life.output };
}
