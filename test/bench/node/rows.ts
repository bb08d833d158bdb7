/** Node mode with many workloads, beside as many sidecars: one is measured, and multiplied. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import process from 'node:process';
import { PREFIX_BYTES } from '../../../src/wire/frame.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';
import { subscription } from '../frames.ts';
import type { Row } from '../report.ts';
import { SdsConnection } from '../sds-connection.ts';
import { sidecarSubject } from '../subject.ts';
import { BenchBroker, idsOf, issueFor, type Rotations } from './broker.ts';
import { Subscribed, type WorkloadFigures } from './measures.ts';
import { Processes } from './processes.ts';

export interface NodePart {
  readonly workloads: number;
  /** Of each workload. With one, its names are `default`, `ROOTCA`, and those of the identity and of its trust domain. */
  readonly identities: 1 | 4;
  readonly rotations: number;
}

/** Different messages; then they come again. */
const ISSUED = 3;
const FLOOD = join(import.meta.dirname, 'flood.ts');
/** So many streams that opening them does not take the time of the benchmark. */
const ATTESTATIONS = 10_000;
const GOAL = { memoryMb: 0.4, secretUs: 60 };

/** @param folder for sockets */
export async function nodeRows(folder: string, name: string, size: NodePart, part: AbortController): Promise<readonly Row[]> {
  const { workloads, identities } = size;
  await using stack = new AsyncDisposableStack();
  const at = (file: string) => join(folder, `${name.replace('/', '-')}-${file}.sock`);
  const api = stack.use(
    await TestWorkloadApi.start({
      address: `unix://${at('workload')}`,
      rotateEveryMs: 0,
      identities: [{ path: '/spiffe-sds' }],
    }),
  );
  // One more: for what is there before the many, and floods later.
  const messages = await issueFor(api, { workloads: workloads + 1, identities, rotations: ISSUED });
  const broker = stack.use(await BenchBroker.start(at('broker'), api, messages));
  const pushed = identities === 1 ? 2 : identities;
  const world: World = { api, messages, broker, size, pushed, at };
  const one = await sidecarOf(folder, world, part);
  const { before, quiet, flooded } = await nodeOf(folder, world, part);

  const secrets = workloads * pushed;
  const row = (key: string, what: string, unit: string, measured: number, floor: number, most?: number): Row => ({
    name: `${name}:${key}`,
    what,
    unit,
    measured,
    floor,
    ratio: measured / floor,
    ...(most !== undefined && { most }),
  });
  const each = (of: keyof WorkloadFigures) => (quiet[of] - before[of]) / workloads;
  const all = `${workloads} workloads, ${identities === 1 ? 'an identity' : `${identities} identities`} each`;
  const { memoryMb, secretUs } = GOAL;
  return [
    row('resident', `resident memory of each further workload, ${all}`, 'MB', each('resident'), one.resident, memoryMb),
    row('private', `private memory of each further workload, ${all}`, 'MB', each('private'), one.private, memoryMb),
    row('allResident', `resident memory, ${all}`, 'MB', quiet.resident, workloads * one.resident),
    row('rotationMs', `CPU of a rotation of all, ${all}`, 'ms', quiet.rotationUs / 1_000, (workloads * one.rotationUs) / 1_000),
    row('secretUs', `CPU a pushed secret, ${all}`, 'µs', quiet.rotationUs / secrets, one.rotationUs / pushed, secretUs),
    row('lastMs', `last receipt of a rotation, ${all}`, 'ms', quiet.lastMs, workloads * one.lastMs),
    row('floodedMs', `the same while one more workload floods, ${all}`, 'ms', flooded.lastMs, quiet.lastMs),
  ];
}

interface World {
  readonly api: TestWorkloadApi;
  readonly messages: Rotations;
  readonly broker: BenchBroker;
  readonly size: NodePart;
  readonly pushed: number;
  readonly at: (file: string) => string;
}

function namesOf(workload: number, { identities }: NodePart): readonly string[] {
  const ids = idsOf(workload, identities);
  return identities === 1 ? ['default', 'ROOTCA', ...ids, 'spiffe://example.org'] : ids;
}

/** A sidecar whose Workload API says what the broker says of one. */
async function sidecarOf(
  folder: string,
  { api, messages, size, pushed }: World,
  part: AbortController,
): Promise<WorkloadFigures> {
  const bare = (messages[0] ?? []).map((frame) => frame.subarray(PREFIX_BYTES));
  await using running = sidecarSubject(folder, api, bare).start(part);
  using connection = await SdsConnection.open(running.socket);
  await firstAnswer(running.socket);
  const rotate = await running.publisher();
  rotate();
  const subscribed = await Subscribed.open(running.process, [{ connection, names: namesOf(0, size) }]);
  return await subscribed.measure({ rotate, pushed, rotations: size.rotations });
}

/** With one workload, with all, and with one more that floods. */
async function nodeOf(
  folder: string,
  { api, messages, broker, size, pushed, at }: World,
  part: AbortController,
): Promise<Readonly<Record<'before' | 'quiet' | 'flooded', WorkloadFigures>>> {
  const { workloads, rotations } = size;
  const configuration = {
    mode: 'node',
    broker: {
      address: `unix://${at('broker')}`,
      limits: { workloads_per_uid: workloads + 2, attestations_per_second: ATTESTATIONS },
    },
    sds: { limits: { connections: workloads + 10 } },
  };
  const rotating = { rotate: () => broker.rotate(), pushed, rotations };
  await using running = sidecarSubject(folder, api, messages.flat(), { configuration }).start(part);
  broker.assign(process.pid, workloads);
  using connection = await SdsConnection.open(running.socket);
  await firstAnswer(running.socket);
  const first = await Subscribed.open(running.process, [{ connection, names: namesOf(workloads, size) }]);
  const before = await first.measure(rotating);

  await using processes = await Processes.start(running.socket, at('processes'), workloads, part);
  for (const [workload, { pid }] of processes.all.entries()) broker.assign(pid, workload);
  const asking = processes.all.map((each, workload) => ({ connection: each.connection, names: namesOf(workload, size) }));
  const many = await Subscribed.open(running.process, asking);
  const quiet = await many.measure(rotating);

  const flood = spawn(process.execPath, [FLOOD, running.socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(flood.stdout, 'data');
    return { before, quiet, flooded: await many.measure(rotating) };
  } finally {
    flood.kill('SIGKILL');
  }
}

async function firstAnswer(socket: string): Promise<void> {
  using connection = await SdsConnection.open(socket);
  await connection.answer(subscription('default', 0));
}
