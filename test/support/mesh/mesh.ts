import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Document } from 'yaml';
import type { DevWorkloadApiOptions } from '../../../src/dev/dev-workload-api.ts';
import { eventually } from '../eventually.ts';
import { SidecarProcess } from '../sidecar/sidecar-process.ts';
import { TestWorkloadApi } from '../workload-api/test-workload-api.ts';
import { clientBootstrap, serverBootstrap } from './bootstrap.ts';
import { Envoy } from './envoy.ts';
import { MtlsClient } from './mtls-client.ts';
import { Relay } from './relay.ts';

export const BACKEND = 'spiffe://example.org/backend';
export const FRONTEND = 'spiffe://example.org/frontend';

const BUNDLE_VERSION = 'sds.spiffe_example.org.version_text';

export interface EnvoyOptions {
  /** Where it looks for the sidecar. Default: where it listens. */
  readonly sdsSocket?: string;
  /** Changes the shipped bootstrap. The folder is the stage's. */
  readonly edit?: (bootstrap: Document, folder: string) => void | Promise<void>;
  /** Beside the bootstrap. Default: without hot restart. */
  readonly args?: readonly string[];
  /** Of the user that it runs as; only root can have another than his own. */
  readonly uid?: number;
}

export interface ServerOptions extends EnvoyOptions {
  /** Default: one from the kernel. */
  readonly port?: number;
}

export interface MeshOptions extends EnvoyOptions {
  /** What stands in the sidecar's configuration file. Default: there is none. */
  readonly configuration?: object;
}

/** Where real processes meet: a Workload API, one sidecar, and Envoys with the bootstraps that we ship. Nothing runs at first. */
export class Stage implements AsyncDisposable {
  readonly folder: string;
  readonly #parts: AsyncDisposableStack;
  readonly #version: string | undefined;

  private constructor(folder: string, parts: AsyncDisposableStack, version: string | undefined) {
    this.folder = folder;
    this.#parts = parts;
    this.#version = version;
  }

  /** @param version of Envoy */
  static async prepare(version?: string): Promise<Stage> {
    const parts = new AsyncDisposableStack();
    const folder = parts.use(await mkdtempDisposable(join(tmpdir(), 'mesh-')));
    return new Stage(folder.path, parts, version);
  }

  /** With the identities of both Envoys. It rotates them when told. */
  async startWorkloadApi(options: Partial<DevWorkloadApiOptions> = {}): Promise<TestWorkloadApi> {
    const identities = [{ path: '/backend' }, { path: '/frontend' }];
    return this.#parts.use(await TestWorkloadApi.start({ address: this.#workloadApi, identities, rotateEveryMs: 0, ...options }));
  }

  /** @param configuration what stands in its configuration file */
  async startSidecar(configuration: object = {}): Promise<SidecarProcess> {
    return this.#parts.use(await SidecarProcess.start(this.#workloadApi, this.sdsSocket, configuration));
  }

  /** Another way to the sidecar. */
  async openRelay(): Promise<Relay> {
    return this.#parts.use(await Relay.open(join(this.folder, 'relay.sock'), this.sdsSocket));
  }

  /** The Envoy that is called. Does not wait for its secrets. */
  async startServer({ port = 0, sdsSocket = this.sdsSocket, ...options }: ServerOptions = {}): Promise<Envoy> {
    return this.#startEnvoy(await serverBootstrap(sdsSocket, port), options);
  }

  /** The Envoy that calls `serverPort`. Does not wait for its secrets. */
  async startClient(serverPort: number, { sdsSocket = this.sdsSocket, ...options }: EnvoyOptions = {}): Promise<Envoy> {
    return this.#startEnvoy(await clientBootstrap(sdsSocket, serverPort), options);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }

  /** Where the sidecar listens. */
  get sdsSocket(): string {
    return join(this.folder, 'sds.sock');
  }

  get #workloadApi(): string {
    return `unix://${join(this.folder, 'workload.sock')}`;
  }

  async #startEnvoy(bootstrap: Document, { edit, args, uid }: EnvoyOptions): Promise<Envoy> {
    await edit?.(bootstrap, this.folder);
    return this.#parts.use(await Envoy.start(String(bootstrap), this.#version, args, uid));
  }
}

/** A stage on which everything runs. Requests to `url` go through both Envoys. */
export interface Mesh extends AsyncDisposable {
  readonly stage: Stage;
  readonly workloadApi: TestWorkloadApi;
  readonly sidecar: SidecarProcess;
  readonly server: Envoy;
  readonly serverPort: number;
  readonly client: Envoy;
  readonly url: string;
}

/** @param version of Envoy */
export async function startMesh(version?: string, options: MeshOptions = {}): Promise<Mesh> {
  const stage = await Stage.prepare(version);
  try {
    return await startMeshOn(stage, options);
  } catch (thrown) {
    await stage[Symbol.asyncDispose]();
    throw thrown;
  }
}

/** On an empty stage, which is the mesh's from then on. */
export async function startMeshOn(stage: Stage, { configuration, ...options }: MeshOptions): Promise<Mesh> {
  const workloadApi = await stage.startWorkloadApi();
  const sidecar = await stage.startSidecar(configuration);
  const server = await stage.startServer(options);
  const serverPort = await server.port('mtls');
  const client = await stage.startClient(serverPort, options);
  await Promise.all([server.live(), client.live()]);
  const url = `http://127.0.0.1:${await client.port('plain')}/`;
  const dispose = () => stage[Symbol.asyncDispose]();
  return { stage, workloadApi, sidecar, server, serverPort, client, url, [Symbol.asyncDispose]: dispose };
}

/**
 * A client with an SVID of the backend's trust domain.
 * @param server who it means to call
 * @param sni left out: none
 */
export async function callerOf(workloadApi: TestWorkloadApi, port: number, server = BACKEND, sni?: string): Promise<MtlsClient> {
  const { bundlePem, ...identity } = await workloadApi.issueForeign('example.org', '/caller');
  return new MtlsClient(port, server, bundlePem, identity, sni);
}

/** Both Envoys have the newest SVIDs, and a request through them was made with one. */
export async function rotated({ workloadApi, server, client, url }: Mesh): Promise<void> {
  const serials = workloadApi.serials();
  await Promise.all([server.presents(serials.get(BACKEND)), client.presents(serials.get(FRONTEND))]);
  await eventually('a request with the new SVID', async () => {
    const { headers } = await fetch(url);
    return BigInt(`0x${headers.get('x-peer-serial')}`) === BigInt(`0x${serials.get(FRONTEND)}`) || undefined;
  });
}

/** Changes the bundle, and waits until both Envoys have the new one. */
export async function newBundle({ server, client }: Mesh, change: () => Promise<void>): Promise<void> {
  const changed = async (envoy: Envoy) => {
    const before = await envoy.stat(BUNDLE_VERSION);
    return () => envoy.waitForStat(BUNDLE_VERSION, (version) => version !== before);
  };
  const waits = [await changed(server), await changed(client)];
  await change();
  await Promise.all(waits.map((wait) => wait()));
}
