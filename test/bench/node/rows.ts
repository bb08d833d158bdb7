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
import type { Measured } from '../server-process.ts';
import { sidecarSubject } from '../subject.ts';
import { BenchBroker, HINT, idOf, issueFor, type Rotations } from './broker.ts';
import { type Rotating, Subscribed, type WorkloadFigures } from './measures.ts';
import { Processes } from './processes.ts';

export interface NodePart {
  readonly workloads: number;
  readonly rotations: number;
}

/** Different messages; then they come again. */
const ISSUED = 3;
const FLOOD = join(import.meta.dirname, 'flood.ts');
/** Memory that is not needed any more has been given back by then (src/process/memory-return.ts): workloads rotate once a minute, not all the time. */
const SETTLED_MS = 13_000;
/** So many streams that opening them does not take the time of the benchmark. */
const ATTESTATIONS = 10_000;
const GOAL = { memoryMb: 0.4, secretUs: 60 };

/** @param folder for sockets */
export async function nodeRows(folder: string, name: string, size: NodePart, part: AbortController): Promise<readonly Row[]> {
  const { workloads } = size;
  await using stack = new AsyncDisposableStack();
  const at = (file: string) => join(folder, `${name}-${file}.sock`);
  const address = `unix://${at('workload')}`;
  const api = stack.use(await TestWorkloadApi.start({ address, rotateEveryMs: 0, identities: [{ path: '/spiffe-sds' }] }));
  // One more: for what is there before the many, and floods later.
  const messages = await issueFor(api, { workloads: workloads + 1, rotations: ISSUED });
  const broker = stack.use(await BenchBroker.start(at('broker'), api, messages));
  const world: World = { api, messages, broker, size, at };
  const one = await sidecarOf(folder, world, part);
  const { before, oneName, allNames, flooded } = await nodeOf(folder, world, part);

  const row = (key: string, what: string, unit: string, measured: number, floor: number, most?: number): Row => ({
    name: `${name}:${key}`,
    what: `${what}, ${workloads} workloads with ${NAMES} names`,
    unit,
    measured,
    floor,
    ratio: measured / floor,
    ...(most !== undefined && { most }),
  });
  const each = (key: keyof WorkloadFigures) => (allNames[key] - before[key]) / workloads;
  const secretUs = (few: WorkloadFigures, many: WorkloadFigures, count: number) =>
    (many.rotationUs - few.rotationUs) / (count * (NAMES - 1));
  return [
    row('resident', 'resident memory of each further workload', 'MB', each('resident'), one.allNames.resident, GOAL.memoryMb),
    row('private', 'private memory of each further workload', 'MB', each('private'), one.allNames.private, GOAL.memoryMb),
    row('allResident', 'resident memory', 'MB', allNames.resident, workloads * one.allNames.resident),
    row(
      'rotationMs',
      'CPU of a rotation of all',
      'ms',
      allNames.rotationUs / 1_000,
      (workloads * one.allNames.rotationUs) / 1_000,
    ),
    row(
      'svidUs',
      'CPU to take an SVID, verify it, and push it under one name',
      'µs',
      oneName.rotationUs / workloads,
      one.oneName.rotationUs,
    ),
    row(
      'secretUs',
      'CPU of each further secret that is pushed',
      'µs',
      secretUs(oneName, allNames, workloads),
      secretUs(one.oneName, one.allNames, 1),
      GOAL.secretUs,
    ),
    row('lastMs', 'last receipt of a rotation of all', 'ms', allNames.lastMs, workloads * one.allNames.lastMs),
    row('floodedMs', 'the same while one more workload floods, beside it without', 'ms', flooded.lastMs, allNames.lastMs),
  ];
}

interface World {
  readonly api: TestWorkloadApi;
  readonly messages: Rotations;
  readonly broker: BenchBroker;
  readonly size: NodePart;
  readonly at: (file: string) => string;
}

/** Of the one identity that a workload has: an SVID that rotates goes out under each of them. */
const FIRST_NAME = 'default';
const OWN_NAMES = ['first-alias', 'second-alias'];
const furtherNamesOf = (workload: number): readonly string[] => [idOf(workload), ...OWN_NAMES];
const NAMES = 1 + furtherNamesOf(0).length;
const SECRETS = OWN_NAMES.map((name) => ({ name, svid: { hint: HINT } }));

interface ByNames {
  readonly oneName: WorkloadFigures;
  readonly allNames: WorkloadFigures;
}

/** A sidecar whose Workload API says what the broker says of one. */
async function sidecarOf(folder: string, { api, messages, size }: World, part: AbortController): Promise<ByNames> {
  const bare = (messages[0] ?? []).map((frame) => frame.subarray(PREFIX_BYTES));
  await using running = sidecarSubject(folder, api, bare, { configuration: { secrets: SECRETS } }).start(part);
  using connection = await SdsConnection.open(running.socket);
  await firstAnswer(running.socket);
  const rotate = await running.publisher();
  rotate();
  return await measureByNames(running.process, [{ connection, workload: 0 }], { rotate, rotations: size.rotations });
}

/** With one workload, with all, and with one more that floods. */
async function nodeOf(
  folder: string,
  { api, messages, broker, size, at }: World,
  part: AbortController,
): Promise<ByNames & Readonly<Record<'before' | 'flooded', WorkloadFigures>>> {
  const { workloads, rotations } = size;
  const limits = { workloads_per_uid: workloads + 2, attestations_per_second: ATTESTATIONS };
  const configuration = {
    mode: 'node',
    broker: { address: `unix://${at('broker')}`, limits },
    sds: { limits: { connections: workloads + 10 } },
    secrets: SECRETS,
  };
  const rotating = { rotate: () => broker.rotate(), rotations };
  await using running = sidecarSubject(folder, api, messages.flat(), { configuration }).start(part);
  broker.assign(process.pid, workloads);
  using connection = await SdsConnection.open(running.socket);
  await firstAnswer(running.socket);
  const { allNames: before } = await measureByNames(running.process, [{ connection, workload: workloads }], rotating);

  await using processes = await Processes.start(running.socket, at('processes'), workloads, part);
  for (const [workload, { pid }] of processes.all.entries()) broker.assign(pid, workload);
  const asking = processes.all.map((each, workload) => ({ connection: each.connection, workload }));
  const measured = await measureByNames(running.process, asking, rotating);

  const flood = spawn(process.execPath, [FLOOD, running.socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(flood.stdout, 'data');
    return { ...measured, before, flooded: await measured.subscribed.rotate({ ...rotating, settledMs: 0 }) };
  } finally {
    flood.kill('SIGKILL');
  }
}

/** With one name each, then with all. */
async function measureByNames(
  server: Measured,
  workloads: readonly { readonly connection: SdsConnection; readonly workload: number }[],
  rotating: Omit<Rotating, 'settledMs'>,
): Promise<ByNames & { readonly subscribed: Subscribed }> {
  const subscribed = new Subscribed(server);
  await subscribed.open(workloads.map(({ connection }) => ({ connection, names: [FIRST_NAME] })));
  const oneName = await subscribed.rotate({ ...rotating, settledMs: 0 });
  await subscribed.open(workloads.map(({ connection, workload }) => ({ connection, names: furtherNamesOf(workload) })));
  return { oneName, allNames: await subscribed.rotate({ ...rotating, settledMs: SETTLED_MS }), subscribed };
}

async function firstAnswer(socket: string): Promise<void> {
  using connection = await SdsConnection.open(socket);
  await connection.answer(subscription(FIRST_NAME, 0));
}
