/** What a sidecar goes through without losing anything: the short form of `npm run chaos`, without an Envoy. */
import { mkdtempDisposable, readFile, rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/clock.ts';
import { FAILURES } from '../../chaos/failures.ts';
import { Follower } from '../../chaos/followers.ts';
import { KeyHunt } from '../../chaos/key-hunt.ts';
import { Life, type LifeOptions } from '../../chaos/life.ts';
import { silentHours } from '../../chaos/silent-hours.ts';
import { upstreamHours } from '../../chaos/upstream-hours.ts';
import { serialOf } from '../../conformance/read.ts';
import { FAKETIME_MISSING, FakeClock, findFaketime } from '../../support/clocks/faketime.ts';
import { WrongClock } from '../../support/clocks/wrong-clock.ts';
import { describeWith } from '../../support/describe-with.ts';
import { eventually } from '../../support/eventually.ts';
import { SdsClient } from '../../support/sds/sds-client.ts';
import { type Running, startRunning } from '../../support/sidecar/sidecar.ts';
import { OtlpReceiver } from '../../support/telemetry/otlp-receiver.ts';
import { TestWorkloadApi } from '../../support/workload-api/test-workload-api.ts';

const WORKLOAD = 'spiffe://example.org/workload';
const SECOND_MS = 1_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LIMIT_MS = 8_000;
/** Two audit lines for each rotation and each stream: together more than a pipe or a small file holds. */
const ROTATIONS = 20;
const STREAMS = 10;

describe('a Workload API that fails', () => {
  test('in each of thirteen ways: every stream has the newest in the end', { timeout: 30_000 }, async () => {
    const { failed, lost } = await upstreamHours({ seed: 1, failures: FAILURES.length });
    expect([lost, [...failed.values()]]).toEqual([[], Array(13).fill(1)]);
  });
});

describe('streams that never answer', () => {
  test('keep no rotation from those that do, and their keys are in nothing that is written', { timeout: 30_000 }, async () => {
    const { rotations, lost, output } = await silentHours({ rotations: 40 });
    const hunt = new KeyHunt();
    hunt.search(output);
    expect([rotations, lost, hunt.found]).toEqual([40, [], 0]);
  });
});

describe('a wall clock', () => {
  test('that goes two hours forward and back: the SVID that had expired is served again', async () => {
    const clock = new WrongClock();
    await using running = await startWithClock(clock);
    await running.event('svid_received');
    clock.offsetMs = 2 * HOUR_MS;
    await running.event('svid_expired');
    clock.offsetMs = 0;
    await expect(newestIn(running)).resolves.toBeUndefined();
  });

  test('that was an hour behind at the start and is put right: the SVID is served without a word from upstream', async () => {
    const clock = new WrongClock(-HOUR_MS);
    await using running = await startWithClock(clock);
    await running.event('svid_not_yet_valid');
    clock.offsetMs = 0;
    await expect(newestIn(running)).resolves.toBeUndefined();
  });

  test('that goes a day back and forward: what was rotated meanwhile is not lost', async () => {
    const clock = new WrongClock();
    await using running = await startWithClock(clock);
    const follower = new Follower(running.client, 'delta', WORKLOAD);
    await follower.has(running.workloadApi.serials().get(WORKLOAD), LIMIT_MS);
    clock.offsetMs = -DAY_MS - HOUR_MS;
    await running.workloadApi.rotate();
    await running.event('svid_not_yet_valid');
    clock.offsetMs = 0;
    await follower.has(running.workloadApi.serials().get(WORKLOAD), LIMIT_MS);
    await expect(newestIn(running)).resolves.toBeUndefined();
  });
});

describeWith(findFaketime(), FAKETIME_MISSING)('the wall clock of a real process', () => {
  test('that goes two hours forward and back: the SVID that had expired is served again', { timeout: 30_000 }, async () => {
    await using stage = await Stage.prepare();
    const clock = await FakeClock.open(join(stage.folder, 'clock'));
    const life = await stage.live({ env: clock.env });
    await life.says('"event":"svid_received"', LIMIT_MS);
    await clock.set((2 * HOUR_MS) / SECOND_MS);
    await life.says('"event":"svid_expired"', LIMIT_MS);
    await clock.set(0);
    await expect(stage.servesNewest()).resolves.toBeUndefined();
  });
});

describe('a disk that is full', () => {
  test('costs audit lines and nothing else; with room again they are written again', { timeout: 30_000 }, async () => {
    await using stage = await Stage.prepare();
    const path = join(stage.folder, 'audit.json');
    const life = await stage.live({ maxFileBytes: 2_048, configuration: { log: { audit: path } } });
    await stage.rotates();
    await life.says('"event":"audit_failed"', LIMIT_MS);
    expect((await readFile(path)).length).toBeLessThanOrEqual(2_048);

    await rename(path, `${path}.full`);
    life.signal('SIGHUP');
    await eventually('a line in the new file', async () => (await readFile(path, 'utf8')).includes('\n') || undefined, LIMIT_MS);
    expect([await life.stop(), life.complaints]).toEqual([0, []]);
  });
});

describe('sinks that are stuck', () => {
  test('a standard output that nobody reads and a collector that hangs keep nobody waiting', { timeout: 30_000 }, async () => {
    await using stage = await Stage.prepare();
    await using collector = await OtlpReceiver.open({ protocol: 'grpc', answer: 'never' });
    const otlp = { endpoint: collector.endpoint, protocol: 'grpc', logs: true, metric_interval: '1s' };
    const life = await stage.live({ stdoutUnread: true, configuration: { telemetry: { otlp } } });
    await stage.rotates();
    expect([await life.stop(), life.complaints]).toEqual([0, []]);
  });
});

/** The Workload API has the right time. */
function startWithClock(clock: WrongClock): Promise<Running> {
  return startRunning({ clock: systemClock }, '', clock);
}

/** Whether whoever asks now gets what the Workload API serves now. */
async function newestIn({ client, workloadApi }: Running): Promise<void> {
  const follower = new Follower(client, 'sotw', WORKLOAD);
  await follower.has(workloadApi.serials().get(WORKLOAD), LIMIT_MS);
}

/** A Workload API, and room for a real sidecar. */
class Stage implements AsyncDisposable {
  readonly folder: string;
  readonly api: TestWorkloadApi;
  readonly #parts: AsyncDisposableStack;

  private constructor(folder: string, api: TestWorkloadApi, parts: AsyncDisposableStack) {
    this.folder = folder;
    this.api = api;
    this.#parts = parts;
  }

  static async prepare(): Promise<Stage> {
    await using parts = new AsyncDisposableStack();
    const folder = parts.use(await mkdtempDisposable(join(tmpdir(), 'bad-hours-'))).path;
    const api = parts.use(await TestWorkloadApi.start({ address: `unix://${join(folder, 'workload.sock')}`, rotateEveryMs: 0 }));
    return new Stage(folder, api, parts.move());
  }

  /** A sidecar. */
  async live(options: Partial<LifeOptions>): Promise<Life> {
    const socket = join(this.folder, 'sds.sock');
    return this.#parts.use(await Life.begin({ workloadApi: this.api.address, socket, ...options }));
  }

  /** Every stream gets every rotation. */
  async rotates(): Promise<void> {
    const client = this.#client();
    const followers = Array.from({ length: STREAMS }, () => new Follower(client, 'sotw', WORKLOAD));
    for (let n = 0; n < ROTATIONS; n++) {
      await this.api.rotate();
      await Promise.all(followers.map((follower) => follower.has(this.api.serials().get(WORKLOAD), LIMIT_MS)));
    }
  }

  async servesNewest(): Promise<void> {
    const client = this.#client();
    const served = async () =>
      serialOf(await client.fetch([WORKLOAD]), WORKLOAD) === this.api.serials().get(WORKLOAD) || undefined;
    await eventually('the newest SVID', served, LIMIT_MS);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }

  #client(): SdsClient {
    return this.#parts.use(new SdsClient(join(this.folder, 'sds.sock')));
  }
}
