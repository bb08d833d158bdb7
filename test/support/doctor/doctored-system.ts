/** A Workload API, one sidecar and one Envoy, each of which a test can end and start in another way while the others run on. */
import { chmod, chown, mkdir, mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Document } from 'yaml';
import type { DevWorkloadApiOptions } from '../../../src/dev/dev-workload-api.ts';
import { WrongClock } from '../clocks/wrong-clock.ts';
import { eventually } from '../eventually.ts';
import { serverBootstrap } from '../mesh/bootstrap.ts';
import { Envoy } from '../mesh/envoy.ts';
import { SidecarProcess } from '../sidecar/sidecar-process.ts';
import { TestWorkloadApi } from '../workload-api/test-workload-api.ts';
import { type Diagnosis, diagnose } from './diagnosis.ts';

export interface SidecarOptions {
  /** What stands in its file, beside the addresses. */
  readonly configuration?: object;
  readonly env?: Readonly<Record<string, string>>;
  /** Default: the user of the test. */
  readonly uid?: number;
  /** The path of its Workload API. Default: the one that runs. */
  readonly workloadApi?: string;
}

export class DoctoredSystem implements AsyncDisposable {
  /** Everybody may enter it. */
  readonly folder: string;
  /** Of the Workload API. */
  readonly clock = new WrongClock();
  readonly #parts: AsyncDisposableStack;
  #workloadApi: TestWorkloadApi | undefined;
  #sidecar: SidecarProcess | undefined;
  #envoy: Envoy | undefined;

  private constructor(folder: string, parts: AsyncDisposableStack) {
    this.folder = folder;
    this.#parts = parts;
  }

  /** Nothing runs at first. */
  static async prepare(): Promise<DoctoredSystem> {
    const parts = new AsyncDisposableStack();
    const folder = parts.use(await mkdtempDisposable(join(tmpdir(), 'doctor-')));
    await chmod(folder.path, 0o755);
    await mkdir(join(folder.path, 'run'), { mode: 0o755 });
    return new DoctoredSystem(folder.path, parts);
  }

  get workloadApi(): TestWorkloadApi {
    return running(this.#workloadApi);
  }

  get sidecar(): SidecarProcess {
    return running(this.#sidecar);
  }

  get envoy(): Envoy {
    return running(this.#envoy);
  }

  get workloadSocket(): string {
    return join(this.folder, 'workload.sock');
  }

  get sdsSocket(): string {
    return join(this.folder, 'run', 'sds.sock');
  }

  get admin(): string {
    return `unix://${join(this.folder, 'run', 'admin.sock')}`;
  }

  /** The same again: in the place of the one before. */
  async startWorkloadApi(options: Partial<DevWorkloadApiOptions> = {}): Promise<void> {
    await this.#workloadApi?.close();
    this.#workloadApi = await TestWorkloadApi.start({
      address: `unix://${this.workloadSocket}`,
      identities: [{ path: '/backend' }],
      rotateEveryMs: 0,
      clock: this.clock,
      ...options,
    });
  }

  /** In the place of the one before. Waits until it has its admin API, not for its secrets. */
  async startSidecar({ configuration, env, uid, workloadApi = this.workloadSocket }: SidecarOptions = {}): Promise<void> {
    await this.#sidecar?.stop();
    if (uid !== undefined) await chown(dirname(this.sdsSocket), uid, uid);
    const admin = { admin: { listen: this.admin }, ...configuration };
    this.#sidecar = await SidecarProcess.start(`unix://${workloadApi}`, this.sdsSocket, admin, env, uid);
    await this.#sidecar.event(({ event }) => event === 'admin_listening' || event === 'admin_failed');
  }

  /** In the place of the one before. Does not wait for its secrets. */
  async startEnvoy(edit: (bootstrap: Document) => unknown = () => undefined, uid?: number): Promise<void> {
    await this.#envoy?.stop();
    const bootstrap = await serverBootstrap(this.sdsSocket);
    edit(bootstrap);
    const text = String(bootstrap);
    await writeFile(join(this.folder, 'envoy.yaml'), text);
    this.#envoy = await Envoy.start(text, undefined, undefined, uid);
  }

  /** What doctor says of all three. */
  diagnose(...more: readonly string[]): Promise<Diagnosis> {
    return diagnose(...this.flags, '--envoy-admin', this.envoy.adminUrl, ...more);
  }

  get flags(): readonly string[] {
    return ['--listen', `unix://${this.sdsSocket}`, '--admin', this.admin, '--workload-api', `unix://${this.workloadSocket}`];
  }

  /** Waits until doctor finds a cause. */
  sick(...more: readonly string[]): Promise<Diagnosis> {
    return eventually('a finding', async () => {
      const diagnosis = await this.diagnose(...more);
      return diagnosis.causes.length > 0 ? diagnosis : undefined;
    });
  }

  /** Waits until doctor finds nothing. */
  async healthy(...more: readonly string[]): Promise<void> {
    let last: unknown;
    await eventually('a healthy system', async () => {
      const { causes, findings } = await this.diagnose(...more);
      last = findings;
      return causes.length === 0 ? true : undefined;
    }).catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(last, undefined, 1)}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#envoy?.stop();
    await this.#sidecar?.stop();
    await this.#workloadApi?.close();
    await this.#parts.disposeAsync();
  }
}

function running<T>(part: T | undefined): T {
  if (part === undefined) throw new Error('it was not started');
  return part;
}
