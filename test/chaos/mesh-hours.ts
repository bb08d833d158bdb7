/** Two real Envoys under load, and everything that may happen to the sidecar that serves them and to its Workload API. */
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../src/error.ts';
import { Random } from '../fuzz/random.ts';
import { FakeClock, findFaketime } from '../support/clocks/faketime.ts';
import { eventually } from '../support/eventually.ts';
import type { Envoy } from '../support/mesh/envoy.ts';
import { BACKEND, FRONTEND, Stage } from '../support/mesh/mesh.ts';
import { SteadyLoad } from '../support/mesh/steady-load.ts';
import { OtlpReceiver } from '../support/telemetry/otlp-receiver.ts';
import type { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';
import { FAILURES, FailingWorkloadApi, type Failure } from './failures.ts';
import { KeyHunt } from './key-hunt.ts';
import { Life, type LifeOptions } from './life.ts';

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

const BUNDLE_VERSION = 'sds.spiffe_example.org.version_text';
const FAILURE_MS = { from: 100, to: 1_000 };
const STOP_MS = { from: 200, to: 1_500 };
const JUMP_MS = { from: 500, to: 1_500 };
/** Forward beyond the end of every SVID, back before the beginning of every certificate, and a little. */
const JUMPS_SECONDS = [7_200, -86_400, 30, -30] as const;
const BURST = 16;
const ARRIVAL_LIMIT_MS = 30_000;
const LAST_WORDS = 4_000;
const BURIED = 3;
const AUDIT_BYTES = 4 * 512;

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
  /** The last words of the sidecars that have ended. */
  #buried: readonly string[] = [];
  #absent: { readonly endedMs: number; readonly since: number | undefined } = { endedMs: 0, since: undefined };
  #slowestStartMs = 0;
  #life!: Life;
  #clock: FakeClock | undefined;

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
    await this.#begin(random(0));
    try {
      const server = await this.#stage.startServer();
      const client = await this.#stage.startClient(await server.port('mtls'));
      await Promise.all([server.live(), client.live()]);
      const url = `http://127.0.0.1:${await client.port('plain')}/`;
      const load = new SteadyLoad(url, this.#options.load);
      const limit = setTimeout(() => this.#end.abort(), this.#options.deadline - performance.now());
      const actors = [
        this.#change(random(1), server, client, load),
        this.#kill(random(2)),
        this.#fail(random(3)),
        this.#disturb(random(4)),
      ];
      await Promise.all(actors.map((actor) => actor.catch((error: unknown) => this.#loses(messageOf(error)))));
      clearTimeout(limit);
      await this.#arrived(server, client).catch((error: unknown) => this.#loses(`at the end: ${messageOf(error)}`));
      await load.more(10);
      await load.stop();
      for (const [reason, times] of load.failures) this.#loses(`${times} requests: ${reason} (${await trouble(server, client)})`);
      this.#keys.search(server.log);
      this.#keys.search(client.log);
      await this.#bury(() => this.#life.stop());
      return this.#report(
        load.answered + [...load.failures.values()].reduce((sum, times) => sum + times, 0),
        performance.now() - began,
      );
    } finally {
      await this.#life.stop();
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
      slowestStartMs: this.#slowestStartMs,
      medianMs: sorted[Math.floor(sorted.length / 2)] ?? 0,
      seconds: ms / 1_000,
      keysFound: this.#keys.found,
    };
  }

  /** With what the sidecars said last: what is late by longer than one of them lives has its reason in more than one. */
  #loses(what: string): void {
    this.#lost.push([what, ...this.#buried, this.#life.output.slice(-LAST_WORDS)].join('\n---\n'));
    this.#end.abort();
  }

  /**
   * Rotations in bursts, and CA rolls in their three steps: as an operator does it, each when the one before has arrived, and when no
   * handshake is under way that began before that.
   */
  async #change(random: Random, server: Envoy, client: Envoy, load: SteadyLoad): Promise<void> {
    while (!this.#end.signal.aborted) {
      for (let more = random.below(BURST); more >= 0; more--) {
        await this.#api.rotate();
        this.#counts.rotations += 1;
      }
      await this.#arrived(server, client);
      this.#keys.learn(this.#api);
      await this.#bundleArrived(server, client, () => this.#api.prepareAuthority());
      await load.settled();
      await this.#api.activateAuthority();
      this.#counts.rotations += 1;
      await this.#arrived(server, client);
      await load.settled();
      await this.#bundleArrived(server, client, () => this.#api.retireAuthority());
      this.#counts['CA rolls'] += 1;
    }
  }

  async #arrived(server: Envoy, client: Envoy): Promise<void> {
    const since = performance.now();
    const serials = this.#api.serials();
    await this.#inTime((limitMs) =>
      Promise.all([presents(server, BACKEND, serials, limitMs), presents(client, FRONTEND, serials, limitMs)]),
    );
    this.#arrivals.push(performance.now() - since);
  }

  async #bundleArrived(server: Envoy, client: Envoy, change: () => Promise<void>): Promise<void> {
    const envoys = [server, client];
    const before = await Promise.all(envoys.map((envoy) => envoy.stat(BUNDLE_VERSION)));
    const since = performance.now();
    await change();
    const changed = async (envoy: Envoy, index: number) => (await envoy.stat(BUNDLE_VERSION)) !== before[index] || undefined;
    await this.#inTime((limitMs) =>
      Promise.all(envoys.map((envoy, index) => eventually('the new bundle', () => changed(envoy, index), limitMs))),
    );
    this.#arrivals.push(performance.now() - since);
  }

  /** 30 s, and as long as there was no sidecar meanwhile: without CPU one takes longer to start than the limit is. */
  async #inTime(arrival: (limitMs: number) => Promise<unknown>): Promise<void> {
    for (let limitMs = ARRIVAL_LIMIT_MS; ; ) {
      const absent = this.#absentMs;
      try {
        await arrival(limitMs);
        return;
      } catch (error) {
        limitMs = this.#absentMs - absent;
        if (limitMs < 1 || this.#end.signal.aborted) throw error;
      }
    }
  }

  /** How long there was no sidecar that listened. */
  get #absentMs(): number {
    return this.#absent.endedMs + (this.#absent.since === undefined ? 0 : performance.now() - this.#absent.since);
  }

  /** Each must have heard of the Workload API before: on a machine without CPU one may take longer to start than it lives. */
  async #kill(random: Random): Promise<void> {
    while (await this.#pause(this.#options.killEveryMs)) {
      await this.#life.says('"event":"workload_api_connected"', ARRIVAL_LIMIT_MS);
      await this.#bury(() => this.#life.kill());
      this.#counts.kills += 1;
      await this.#begin(random);
    }
  }

  async #fail(random: Random): Promise<void> {
    while (await this.#pause(this.#options.failEveryMs)) {
      const mend = await this.#failing.begin(random.of(FAILURES));
      await this.#pause(between(random, FAILURE_MS));
      await mend();
    }
  }

  /** Now and then the process stands still, or its clock jumps and is put right. */
  async #disturb(random: Random): Promise<void> {
    while (await this.#pause(this.#options.killEveryMs / 3)) {
      const clock = this.#clock;
      if (clock !== undefined && random.below(2) === 0) {
        await clock.set(random.of(JUMPS_SECONDS));
        await this.#pause(between(random, JUMP_MS));
        await clock.set(0);
        this.#counts['clock jumps'] += 1;
      } else {
        const life = this.#life;
        life.signal('SIGSTOP');
        await this.#pause(between(random, STOP_MS));
        life.signal('SIGCONT');
        this.#counts.stops += 1;
      }
    }
  }

  /** A new sidecar, each with a trouble of its own. */
  async #begin(random: Random): Promise<void> {
    const common = { workloadApi: this.#failing.address, socket: this.#stage.sdsSocket };
    const trouble = random.of(['none', 'wrong clock', 'full disk', 'unread output', 'hanging collector'] as const);
    const since = performance.now();
    this.#absent = { ...this.#absent, since };
    this.#clock = undefined;
    this.#life = await Life.begin({ ...common, ...(await this.#troubled(trouble)) });
    const ms = performance.now() - since;
    this.#absent = { endedMs: this.#absent.endedMs + ms, since: undefined };
    this.#slowestStartMs = Math.max(this.#slowestStartMs, ms);
  }

  async #troubled(trouble: string): Promise<Partial<LifeOptions>> {
    switch (trouble) {
      case 'wrong clock':
        if (findFaketime() === undefined) return {};
        this.#clock = await FakeClock.open(join(this.#stage.folder, 'clock'));
        return { env: this.#clock.env };
      case 'full disk': {
        this.#counts['full disks'] += 1;
        return { maxFileBytes: AUDIT_BYTES, configuration: { log: { audit: join(this.#stage.folder, 'audit.json') } } };
      }
      case 'unread output':
        this.#counts['unread outputs'] += 1;
        return { stdoutUnread: true };
      case 'hanging collector':
        this.#counts['hanging collectors'] += 1;
        return { configuration: { telemetry: { otlp: { endpoint: this.#collector, protocol: 'http/protobuf', logs: true } } } };
      default:
        return {};
    }
  }

  /** Ends the sidecar, which must have been well until then. */
  async #bury(end: () => Promise<unknown>): Promise<void> {
    const life = this.#life;
    if (life.isOver) this.#loses('the sidecar died by itself');
    await end();
    if (life.complaints.length > 0) this.#loses(`the sidecar complained: ${life.complaints.slice(0, 5).join('\n')}`);
    this.#keys.search(life.output);
    this.#buried = [...this.#buried, life.output.slice(-LAST_WORDS)].slice(-BURIED);
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

/** As `Envoy.presents`, with more patience: it may have to outlast a kill and a failure. */
async function presents(envoy: Envoy, id: string, serials: ReadonlyMap<string, string>, limitMs: number): Promise<void> {
  const serial = serials.get(id);
  const wanted = BigInt(`0x${serial}`);
  const shown = async () => {
    const chains = (await envoy.certs()).flatMap(({ cert_chain }) => cert_chain);
    return chains.some(({ serial_number }) => BigInt(`0x${serial_number}`) === wanted) || undefined;
  };
  await eventually(`the certificate ${serial} of ${id} in Envoy`, shown, limitMs);
}
