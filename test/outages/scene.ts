/** Two Envoys that talk mutual TLS without a pause, whoever serves them, and all that can be taken away from them. */
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { DevBroker } from '../../src/dev/dev-broker.ts';
import { Arrivals } from '../chaos/arrivals.ts';
import { FailingWorkloadApi } from '../chaos/failures.ts';
import { Life } from '../chaos/life.ts';
import { Random } from '../fuzz/random.ts';
import { eventually } from '../support/eventually.ts';
import type { Envoy } from '../support/mesh/envoy.ts';
import { Stage } from '../support/mesh/mesh.ts';
import { SteadyLoad } from '../support/mesh/steady-load.ts';
import type { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';
import type { Measured, Outage } from './outage.ts';

export interface SceneOptions {
  /** Default `sidecar`. */
  readonly mode?: Outage['mode'];
  /** Default 1 h. */
  readonly svidTtlMs?: number;
  /** What stands in the configuration file of spiffe-sds. */
  readonly configuration?: object;
}

const HOUR_MS = 3_600_000;
const SERVER_UID = 4001;
const CLIENT_UID = 4002;
const RECOVERY_LIMIT_MS = 60_000;
const OWN = { path: '/spiffe-sds' };
const OF_USERS = [OWN, { path: '/backend', of: { uid: SERVER_UID } }, { path: '/frontend', of: { uid: CLIENT_UID } }];

export class Scene implements AsyncDisposable {
  readonly stage: Stage;
  readonly api: TestWorkloadApi;
  /** In front of the Workload API. */
  readonly failing: FailingWorkloadApi;
  readonly #options: SceneOptions;
  readonly #parts: AsyncDisposableStack;
  #broker: DevBroker | undefined;
  #life: Life | undefined;
  #server!: Envoy;
  #client!: Envoy;
  #port = 0;
  #load: SteadyLoad | undefined;

  private constructor(
    options: SceneOptions,
    parts: AsyncDisposableStack,
    stage: Stage,
    api: TestWorkloadApi,
    failing: FailingWorkloadApi,
  ) {
    this.#options = options;
    this.#parts = parts;
    this.stage = stage;
    this.api = api;
    this.failing = failing;
  }

  /** With a Workload API, and nothing else yet. */
  static async prepare(options: SceneOptions = {}): Promise<Scene> {
    await using parts = new AsyncDisposableStack();
    const stage = parts.use(await Stage.prepare());
    await chmod(stage.folder, 0o755);
    const ttl = options.svidTtlMs === undefined ? {} : { svidTtlMs: options.svidTtlMs };
    const api = await stage.startWorkloadApi({ ...ttl, ...(options.mode === 'node' ? { identities: OF_USERS } : {}) });
    const failing = parts.use(await FailingWorkloadApi.open(join(stage.folder, 'failing.sock'), api, new Random(1)));
    const scene = new Scene(options, parts.move(), stage, api, failing);
    if (options.mode === 'node') await scene.startBroker();
    return scene;
  }

  /** With all of it, under load. */
  static async open(options: SceneOptions = {}): Promise<Scene> {
    const scene = await Scene.prepare(options);
    const { svidTtlMs = HOUR_MS } = options;
    // On a machine without CPU a start takes longer than a short SVID lives.
    const renewal = setInterval(() => void scene.api.rotate(), svidTtlMs / 2);
    try {
      await scene.begin();
      await scene.startServer();
      await scene.startClient();
      await scene.answered();
      scene.#load = new SteadyLoad(scene.url);
      await scene.#load.more(20);
      return scene;
    } catch (thrown) {
      await scene[Symbol.asyncDispose]();
      throw thrown;
    } finally {
      clearInterval(renewal);
    }
  }

  get isNode(): boolean {
    return this.#options.mode === 'node';
  }

  /** Of the client's listener. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  get server(): Envoy {
    return this.#server;
  }

  get load(): SteadyLoad {
    if (this.#load === undefined) throw new Error('there is no load yet');
    return this.#load;
  }

  /** The spiffe-sds that serves, or was the last to do so. */
  get life(): Life {
    if (this.#life === undefined) throw new Error('there is no spiffe-sds yet');
    return this.#life;
  }

  /** Starts spiffe-sds, and waits until it listens. */
  async begin(): Promise<void> {
    this.#life = this.#parts.use(await this.another());
  }

  /** One more on the same path; it is the caller's. */
  another(): Promise<Life> {
    const node = { mode: 'node', broker: { address: `unix://${this.#brokerSocket}` }, sds: { mode: '0666' } };
    const configuration = { ...(this.isNode ? node : {}), ...this.#options.configuration };
    return Life.begin({ workloadApi: this.failing.address, socket: this.stage.sdsSocket, configuration });
  }

  /** What SPIRE's agent says of other processes; node mode only. */
  async startBroker(): Promise<void> {
    const address = `unix://${this.#brokerSocket}`;
    const admits = [`spiffe://example.org${OWN.path}`];
    this.#broker = this.#parts.use(await DevBroker.start({ address, workloadApi: this.api, admits }));
  }

  async stopBroker(): Promise<void> {
    await this.#broker?.close();
  }

  /** @param port default: one from the kernel */
  async startServer(port = 0): Promise<void> {
    this.#server = await this.stage.startServer({ port, ...this.#as(SERVER_UID) });
  }

  /** When the server has its port, which it has when it has its secrets. */
  async startClient(): Promise<void> {
    this.#client = await this.stage.startClient(await this.#server.port('mtls'), this.#as(CLIENT_UID));
    this.#port = await this.#client.port('plain');
  }

  /** Until a request is answered. Returns how long that took. */
  async answered(): Promise<number> {
    const since = performance.now();
    const status = async () => (await fetch(this.url, { signal: AbortSignal.timeout(1_000) })).status;
    await eventually('an answer', async () => ((await status()) === 200 ? true : undefined), RECOVERY_LIMIT_MS);
    return performance.now() - since;
  }

  /** Until both Envoys have the newest certificate. Returns how long that took, in milliseconds. */
  async caughtUp(): Promise<number> {
    const times: number[] = [];
    const ends = new AbortController().signal;
    const envoys = { api: this.api, server: this.#server, client: this.#client, absentMs: () => 0, end: ends };
    await new Arrivals(envoys, times).certificates();
    return times[0] ?? Number.NaN;
  }

  /** Ends the load, some requests later. */
  async sum(): Promise<Pick<Measured, 'requests' | 'lost'>> {
    await this.load.more(20);
    await this.load.stop();
    return { requests: this.load.answered + this.lost, lost: this.lost };
  }

  /** How many requests were lost so far. */
  get lost(): number {
    return [...this.load.failures.values()].reduce((sum, times) => sum + times, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#load?.stop();
    await this.#parts.disposeAsync();
  }

  get #brokerSocket(): string {
    return join(this.stage.folder, 'broker.sock');
  }

  #as(uid: number): { readonly uid?: number } {
    return this.isNode ? { uid } : {};
  }
}
