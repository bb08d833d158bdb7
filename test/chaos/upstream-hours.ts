/** A sidecar in this process whose Workload API fails again and again, and raw streams that must have the newest each time. */
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { loadConfiguration } from '../../src/config/load.ts';
import { startSidecar } from '../../src/sidecar/sidecar.ts';
import { Random } from '../fuzz/random.ts';
import { hastyClock } from '../support/clocks/hasty-clock.ts';
import { SdsClient } from '../support/sds/sds-client.ts';
import { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';
import { FAILURES, FailingWorkloadApi, type Failure } from './failures.ts';
import { Follower, METHODS } from './followers.ts';

export interface UpstreamOptions {
  readonly seed: number;
  /** How often it fails; the kinds come in turn, each as often as the others. */
  readonly failures: number;
  /** No failure begins later: `performance.now()`. */
  readonly deadline?: number;
}

export interface UpstreamReport {
  readonly failed: ReadonlyMap<Failure, number>;
  readonly rotations: number;
  /** How often a stream had not the newest after a failure, or had ended; and how. */
  readonly lost: readonly string[];
  /** From the end of a failure until every stream had the newest, in milliseconds. */
  readonly slowestMs: number;
}

const WEB = 'spiffe://example.org/web';
const LIMIT_MS = 10_000;
/** Failures follow each other faster than any backoff: 5 s are 25 ms. */
const HASTE = 200;
const MAX_FAILURE_MS = 40;

export async function upstreamHours({
  seed,
  failures,
  deadline = Number.POSITIVE_INFINITY,
}: UpstreamOptions): Promise<UpstreamReport> {
  const random = new Random(seed);
  await using parts = new AsyncDisposableStack();
  const folder = parts.use(await mkdtempDisposable(join(tmpdir(), 'upstream-hours-'))).path;
  const identities = [{ path: '/web' }, { path: '/api' }];
  const api = parts.use(
    await TestWorkloadApi.start({ address: `unix://${join(folder, 'workload.sock')}`, identities, rotateEveryMs: 0 }),
  );
  const failing = parts.use(await FailingWorkloadApi.open(join(folder, 'failing.sock'), api, random));
  const socket = join(folder, 'sds.sock');
  const flags = { workload_api: failing.address, listen: `unix://${socket}` };
  const { configuration } = loadConfiguration({ flags, env: {}, readFile: () => '' });
  parts.use(await startSidecar({ configuration, events: () => undefined, clock: hastyClock(HASTE) }));
  const client = parts.use(new SdsClient(socket));
  const followers = METHODS.map((method) => new Follower(client, method, WEB));
  const allHaveNewest = () => Promise.all(followers.map((follower) => follower.has(api.serials().get(WEB), LIMIT_MS)));
  await allHaveNewest();

  const lost: string[] = [];
  let [rotations, slowestMs] = [0, 0];
  for (let n = 0; n < failures && lost.length === 0 && performance.now() < deadline; n++) {
    const failure = FAILURES[n % FAILURES.length] as Failure;
    const mend = await failing.begin(failure);
    for (let more = random.below(3); more >= 0; more--, rotations++) await api.rotate();
    await delay(random.below(MAX_FAILURE_MS));
    await mend();
    const since = performance.now();
    await allHaveNewest().catch((error: Error) => lost.push(`${failure}: ${error.message}`));
    slowestMs = Math.max(slowestMs, performance.now() - since);
  }
  return { failed: failing.failed, rotations, lost, slowestMs };
}
