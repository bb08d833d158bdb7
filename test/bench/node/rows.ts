/** Node mode with many workloads, beside as many sidecars: one is measured, and multiplied. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { setTimeout as delay } from 'node:timers/promises';
import { PREFIX_BYTES } from '../../../src/wire/frame.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';
import { subscription } from '../frames.ts';
import type { Row } from '../report.ts';
import { SdsConnection } from '../sds-connection.ts';
import type { Measured, Memory } from '../server-process.ts';
import { type Running, sidecarSubject } from '../subject.ts';
import { BenchBroker, HINT, idOf, issueFor, type Rotations } from './broker.ts';
import { type Rotating, type RotationFigures, Subscribed } from './measures.ts';
import { Processes } from './processes.ts';

export interface NodePart {
  readonly workloads: number;
  readonly rotations: number;
}

/** Different messages; then they come again. */
const ISSUED = 3;
const FLOOD = join(import.meta.dirname, 'flood.ts');
/**
 * Memory that is not needed any more has been given back by then (src/process/memory-return.ts): workloads rotate once a minute, not all the
 * time.
 */
const SETTLED_MS = 12_000;
/** So many streams that opening them does not take the time of the benchmark. */
const ATTESTATIONS = 10_000;
const GOAL = { memoryMb: 0.4, secretUs: 60 };

/** @param folder for sockets */
export async function nodeRows(folder: string, name: string, size: NodePart, part: AbortController): Promise<readonly Row[]> {
  const { workloads } = size;
  await using stack = new AsyncDisposableStack();
  const own = mkdtempSync(join(folder, `${name}-`));
  const at = (file: string) => join(own, `${file}.sock`);
  const address = `unix://${at('workload')}`;
  const api = stack.use(await TestWorkloadApi.start({ address, rotateEveryMs: 0, identities: [{ path: '/spiffe-sds' }] }));
  // One more: for what is there before the many, and floods later.
  const messages = await issueFor(api, { workloads: workloads + 1, rotations: ISSUED });
  const broker = stack.use(await BenchBroker.start(at('broker'), api, messages));
  const world: World = { api, messages, broker, size, at };
  const sidecar = stack.use(startSidecar(world, part));
  const node = stack.use(startNode(world, part));
  const one = await measureSidecar(sidecar, size);
  using few = await SdsConnection.open(node.socket);
  await measureFirst(few, node, world);
  await delay(SETTLED_MS);
  const [sidecarMb, beforeMb] = [sidecar.process.memoryMb(), node.process.memoryMb()];
  const { oneName, allNames, afterMb, flooded } = await measureAll(node, world, part);

  const row = (key: string, what: string, unit: string, measured: number, floor: number, most?: number): Row => ({
    name: `${name}:${key}`,
    what: `${what}, ${workloads} workloads with ${NAMES} names`,
    unit,
    measured,
    floor,
    ratio: measured / floor,
    ...(most !== undefined && { most }),
  });
  const eachMb = (kind: 'resident' | 'private') => (afterMb[kind] - beforeMb[kind]) / workloads;
  const secretUs = (few: RotationFigures, many: RotationFigures, count: number) =>
    (many.cpuUs - few.cpuUs) / (count * (NAMES - 1));
  return [
    row('resident', 'resident memory of each further workload', 'MB', eachMb('resident'), sidecarMb.resident, GOAL.memoryMb),
    row('private', 'private memory of each further workload', 'MB', eachMb('private'), sidecarMb.private, GOAL.memoryMb),
    row('allResident', 'resident memory', 'MB', afterMb.resident, workloads * sidecarMb.resident),
    row('rotationMs', 'CPU of a rotation of all', 'ms', allNames.cpuUs / 1_000, (workloads * one.allNames.cpuUs) / 1_000),
    row(
      'svidUs',
      'CPU to take an SVID, verify it, and push it under one name',
      'µs',
      oneName.cpuUs / workloads,
      one.oneName.cpuUs,
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
  readonly oneName: RotationFigures;
  readonly allNames: RotationFigures;
}

/** A sidecar whose Workload API says what the broker says of one. */
function startSidecar({ api, messages, at }: World, part: AbortController): Running {
  const bare = (messages[0] ?? []).map((frame) => frame.subarray(PREFIX_BYTES));
  const configuration = { secrets: SECRETS, admin: { listen: `unix://${at('sidecar-admin')}` } };
  return sidecarSubject(folderIn(at), api, bare, { configuration }).start(part);
}

function startNode({ api, messages, size: { workloads }, at }: World, part: AbortController): Running {
  const limits = { workloads_per_uid: workloads + 2, attestations_per_second: ATTESTATIONS };
  const configuration = {
    mode: 'node',
    broker: { address: `unix://${at('broker')}`, limits },
    sds: { limits: { connections: workloads + 10 } },
    secrets: SECRETS,
    admin: { listen: `unix://${at('node-admin')}` },
  };
  return sidecarSubject(folderIn(at), api, messages.flat(), { configuration }).start(part);
}

async function measureSidecar(sidecar: Running, { rotations: few }: NodePart): Promise<ByNames> {
  using connection = await SdsConnection.open(sidecar.socket);
  await firstAnswer(sidecar.socket);
  const rotate = await sidecar.publisher();
  // One takes so little that it must be done often.
  const rotations = 10 * few;
  rotate();
  const { oneName, allNames } = await measureByNames(sidecar.process, [{ connection, workload: 0 }], { rotate, rotations });
  return { oneName, allNames };
}

/** What is there before the many is used as they will be. */
async function measureFirst(connection: SdsConnection, node: Running, { broker, size }: World): Promise<void> {
  const { workloads, rotations } = size;
  broker.assign(process.pid, workloads);
  await firstAnswer(node.socket);
  await measureByNames(node.process, [{ connection, workload: workloads }], { rotate: () => broker.rotate(), rotations });
}

/** With all workloads, and then with one more that floods. */
async function measureAll(
  node: Running,
  { broker, size: { workloads, rotations }, at }: World,
  part: AbortController,
): Promise<ByNames & { readonly afterMb: Memory; readonly flooded: RotationFigures }> {
  const rotating = { rotate: () => broker.rotate(), rotations };
  await using processes = await Processes.start(node.socket, at('processes'), workloads, part);
  for (const [workload, { pid }] of processes.all.entries()) broker.assign(pid, workload);
  const asking = processes.all.map((each, workload) => ({ connection: each.connection, workload }));
  const { subscribed, ...measured } = await measureByNames(node.process, asking, rotating);
  await delay(SETTLED_MS);
  const afterMb = node.process.memoryMb();

  const flood = spawn(process.execPath, [FLOOD, node.socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(flood.stdout, 'data');
    return { ...measured, afterMb, flooded: await subscribed.rotate(rotating) };
  } finally {
    flood.kill('SIGKILL');
  }
}

/** With one name each, then with all. */
async function measureByNames(
  server: Measured,
  workloads: readonly { readonly connection: SdsConnection; readonly workload: number }[],
  rotating: Rotating,
): Promise<ByNames & { readonly subscribed: Subscribed }> {
  const subscribed = new Subscribed(server);
  await subscribed.open(workloads.map(({ connection }) => ({ connection, names: [FIRST_NAME] })));
  // Once before: V8 compiles what it sees often, and the figures of one name and of all are compared.
  await subscribed.rotate(rotating);
  const oneName = await subscribed.rotate(rotating);
  await subscribed.open(workloads.map(({ connection, workload }) => ({ connection, names: furtherNamesOf(workload) })));
  return { oneName, allNames: await subscribed.rotate(rotating), subscribed };
}

/** Each has a socket of its own. */
function folderIn(at: World['at']): string {
  return mkdtempSync(join(dirname(at('sds')), 'sds-'));
}

async function firstAnswer(socket: string): Promise<void> {
  using connection = await SdsConnection.open(socket);
  await connection.answer(subscription(FIRST_NAME, 0));
}
