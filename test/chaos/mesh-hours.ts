/** Two real Envoys under load, and everything that may happen to the sidecar that serves them and to its Workload API. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../src/error.ts';
import { Random } from '../fuzz/random.ts';
import type { Envoy } from '../support/mesh/envoy.ts';
import { Stage } from '../support/mesh/mesh.ts';
import { SteadyLoad } from '../support/mesh/steady-load.ts';
import { OtlpReceiver } from '../support/telemetry/otlp-receiver.ts';
import type { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';
import { ARRIVAL_LIMIT_MS, Arrivals } from './arrivals.ts';
import { FAILURES, FailingWorkloadApi, type Failure } from './failures.ts';
import { KeyHunt } from './key-hunt.ts';
import { Lives } from './lives.ts';

export interface MeshOptions {
  readonly seed: number;
  /** When it ends: `performance.now()`. */
  readonly deadline: number;
  readonly killEveryMs: number;
  readonly failEveryMs: number;
  /** Requests at a time; each is a new connection between the Envoys. */
  readonly load: number;
}

/** What was done, how often. */
export interface MeshReport {
  readonly failed: ReadonlyMap<Failure, number>;
  readonly counts: Readonly<Record<Deed, number>>;
  readonly requests: number;
  /** What went wrong. */
  readonly lost: readonly string[];
  /** From a change at the Workload API until both Envoys have it, in milliseconds; all that was in its way included. */
  readonly slowestMs: number;
  readonly medianMs: number;
  /** From the start of a sidecar until it listens: how much CPU there was. */
  readonly slowestStartMs: number;
  readonly seconds: number;
  readonly keysFound: number;
}

const DEEDS = [
  'rotations',
  'CA rolls',
  'kills',
  'stops',
  'clock jumps',
  'full disks',
  'unread outputs',
  'hanging collectors',
] as const;
export type Deed = (typeof DEEDS)[number];

const FAILURE_MS = { from: 100, to: 1_000 };
const STOP_MS = { from: 200, to: 1_500 };
const JUMP_MS = { from: 500, to: 1_500 };
/** Forward beyond the end of every SVID, back before the beginning of every certificate, and a little. */
const JUMPS_SECONDS = [7_200, -86_400, 30, -30] as const;
const BURST = 16;

export async function meshHours(options: MeshOptions): Promise<MeshReport> {
  await using stage = await Stage.prepare();
  await using parts = new AsyncDisposableStack();
  const api = await stage.startWorkloadApi();
  const failing = parts.use(await FailingWorkloadApi.open(join(stage.folder, 'failing.sock'), api, new Random(options.seed)));
  const collector = parts.use(await OtlpReceiver.open({ protocol: 'http/protobuf', answer: 'never' }));
  const hours = new MeshHours(options, stage, api, failing, collector.endpoint);
  return await hours.run();
}

class MeshHours {
  readonly #options: MeshOptions;
  readonly #stage: Stage;
  readonly #api: TestWorkloadApi;
  readonly #failing: FailingWorkloadApi;
  readonly #collector: string;
  readonly #counts = Object.fromEntries(DEEDS.map((deed) => [deed, 0])) as Record<Deed, number>;
  readonly #lost: string[] = [];
  readonly #arrivals: number[] = [];
  readonly #keys = new KeyHunt();
  readonly #end = new AbortController();
  #lives!: Lives;

  constructor(options: MeshOptions, stage: Stage, api: TestWorkloadApi, failing: FailingWorkloadApi, collector: string) {
    this.#options = options;
    this.#stage = stage;
    this.#api = api;
    this.#failing = failing;
    this.#collector = collector;
  }

  async run(): Promise<MeshReport> {
    const began = performance.now();
    const random = (n: number) => new Random(this.#options.seed * 16 + n);
    this.#lives = await Lives.begin(
      {
        folder: this.#stage.folder,
        socket: this.#stage.sdsSocket,
        workloadApi: this.#failing.address,
        collector: this.#collector,
        keys: this.#keys,
        onTrouble: (trouble) => {
          this.#counts[trouble] += 1;
        },
        onLost: (what) => this.#loses(what),
      },
      random(0),
    );
    try {
      const server = await this.#stage.startServer();
      const client = await this.#stage.startClient(await server.port('mtls'));
      await Promise.all([server.live(), client.live()]);
      const arrivals = new Arrivals(
        { api: this.#api, server, client, absentMs: () => this.#lives.absentMs, end: this.#end.signal },
        this.#arrivals,
      );
      const url = `http://127.0.0.1:${await client.port('plain')}/`;
      const load = new SteadyLoad(url, this.#options.load);
      const limit = setTimeout(() => this.#end.abort(), this.#options.deadline - performance.now());
      const actors = [
        this.#change(random(1), arrivals, load),
        this.#kill(random(2)),
        this.#fail(random(3)),
        this.#disturb(random(4)),
      ];
      await Promise.all(actors.map((actor) => actor.catch((error: unknown) => this.#loses(messageOf(error)))));
      clearTimeout(limit);
      await arrivals.certificates().catch((error: unknown) => this.#loses(`at the end: ${messageOf(error)}`));
      await load.more(10);
      await load.stop();
      for (const [reason, times] of load.failures) this.#loses(`${times} requests: ${reason} (${await trouble(server, client)})`);
      this.#keys.search(server.log);
      this.#keys.search(client.log);
      await this.#lives.end('stop');
      return this.#report(
        load.answered + [...load.failures.values()].reduce((sum, times) => sum + times, 0),
        performance.now() - began,
      );
    } finally {
      await this.#lives.current.stop();
    }
  }

  #report(requests: number, ms: number): MeshReport {
    const sorted = this.#arrivals.toSorted((a, b) => a - b);
    return {
      failed: this.#failing.failed,
      counts: this.#counts,
      requests,
      lost: this.#lost,
      slowestMs: sorted.at(-1) ?? 0,
      slowestStartMs: this.#lives.slowestStartMs,
      medianMs: sorted[Math.floor(sorted.length / 2)] ?? 0,
      seconds: ms / 1_000,
      keysFound: this.#keys.found,
    };
  }

  #loses(what: string): void {
    this.#lost.push([what, ...this.#lives.lastWords].join('\n---\n'));
    this.#end.abort();
  }

  /**
   * Rotations in bursts, and CA rolls in their three steps: as an operator does it, each when the one before has arrived, and when no
   * handshake is under way that began before that.
   */
  async #change(random: Random, arrivals: Arrivals, load: SteadyLoad): Promise<void> {
    while (!this.#end.signal.aborted) {
      for (let more = random.below(BURST); more >= 0; more--) {
        await this.#api.rotate();
        this.#counts.rotations += 1;
      }
      await arrivals.certificates();
      this.#keys.learn(this.#api);
      await arrivals.bundle(() => this.#api.prepareAuthority());
      await load.settled();
      await this.#api.activateAuthority();
      this.#counts.rotations += 1;
      await arrivals.certificates();
      await load.settled();
      await arrivals.bundle(() => this.#api.retireAuthority());
      this.#counts['CA rolls'] += 1;
    }
  }

  /** Each must have heard of the Workload API before: on a machine without CPU one may take longer to start than it lives. */
  async #kill(random: Random): Promise<void> {
    while (await this.#pause(this.#options.killEveryMs)) {
      await this.#lives.current.says('"event":"workload_api_connected"', ARRIVAL_LIMIT_MS);
      await this.#lives.end('kill');
      this.#counts.kills += 1;
      await this.#lives.begin(random);
    }
  }

  async #fail(random: Random): Promise<void> {
    while (await this.#pause(this.#options.failEveryMs)) {
      const repair = await this.#failing.begin(random.of(FAILURES));
      await this.#pause(between(random, FAILURE_MS));
      await repair();
    }
  }

  /** Now and then the process stands still, or its clock jumps and is put right. */
  async #disturb(random: Random): Promise<void> {
    while (await this.#pause(this.#options.killEveryMs / 3)) {
      const { clock } = this.#lives;
      if (clock !== undefined && random.below(2) === 0) {
        await clock.set(random.of(JUMPS_SECONDS));
        await this.#pause(between(random, JUMP_MS));
        await clock.set(0);
        this.#counts['clock jumps'] += 1;
      } else {
        const life = this.#lives.current;
        life.signal('SIGSTOP');
        await this.#pause(between(random, STOP_MS));
        life.signal('SIGCONT');
        this.#counts.stops += 1;
      }
    }
  }

  /** @returns whether there is time left */
  async #pause(ms: number): Promise<boolean> {
    await delay(ms, undefined, { signal: this.#end.signal }).catch(() => undefined);
    return !this.#end.signal.aborted;
  }
}

function between(random: Random, { from, to }: { readonly from: number; readonly to: number }): number {
  return from + random.below(to - from);
}

/** What both Envoys count of what went wrong, for whoever looks for the reason. */
async function trouble(...envoys: readonly Envoy[]): Promise<string> {
  const filter = '(ssl|ssl_socket_factory)\\.(fail|connection_error|.*not_ready)|overflow|rejected|connect_fail|connect_timeout';
  const counts = (await Promise.all(envoys.map((envoy) => envoy.stats(filter)))).flatMap((stats) => [...stats]);
  return counts.flatMap(([name, value]) => (Number(value) > 0 ? [`${name} ${value}`] : [])).join(', ');
}
