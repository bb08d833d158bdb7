import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Document } from 'yaml';
import { DevWorkloadApi } from '../../src/dev/dev-workload-api.ts';
import { clientBootstrap, serverBootstrap } from './bootstrap.ts';
import { Envoy } from './envoy.ts';
import { MtlsClient } from './mtls-client.ts';
import { SidecarProcess } from './sidecar-process.ts';

export const BACKEND = 'spiffe://example.org/backend';
export const FRONTEND = 'spiffe://example.org/frontend';

export interface ServerOptions {
  /** Default: one from the kernel. */
  readonly port?: number;
  /** Changes the shipped bootstrap. */
  readonly edit?: (bootstrap: Document) => void;
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
  async startWorkloadApi(): Promise<DevWorkloadApi> {
    const identities = [{ path: '/backend' }, { path: '/frontend' }];
    return this.#parts.use(await DevWorkloadApi.start({ address: this.#workloadApi, identities, rotateEveryMs: 0 }));
  }

  async startSidecar(): Promise<SidecarProcess> {
    return this.#parts.use(await SidecarProcess.start(this.#workloadApi, this.#sdsSocket));
  }

  /** The Envoy that is called. Does not wait for its secrets. */
  async startServer({ port = 0, edit }: ServerOptions = {}): Promise<Envoy> {
    const bootstrap = await serverBootstrap(this.#sdsSocket, port);
    edit?.(bootstrap);
    return this.#parts.use(await Envoy.start(String(bootstrap), this.#version));
  }

  /** The Envoy that calls `serverPort`. Does not wait for its secrets. */
  async startClient(serverPort: number): Promise<Envoy> {
    return this.#parts.use(await Envoy.start(String(await clientBootstrap(this.#sdsSocket, serverPort)), this.#version));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#parts.disposeAsync();
  }

  get #workloadApi(): string {
    return `unix://${join(this.folder, 'workload.sock')}`;
  }

  get #sdsSocket(): string {
    return join(this.folder, 'sds.sock');
  }
}

/** A stage on which everything runs. Requests to `url` go through both Envoys. */
export interface Mesh extends AsyncDisposable {
  readonly stage: Stage;
  readonly workloadApi: DevWorkloadApi;
  readonly sidecar: SidecarProcess;
  readonly server: Envoy;
  readonly serverPort: number;
  readonly client: Envoy;
  readonly url: string;
}

/** @param version of Envoy */
export async function startMesh(version?: string): Promise<Mesh> {
  const stage = await Stage.prepare(version);
  try {
    const workloadApi = await stage.startWorkloadApi();
    const sidecar = await stage.startSidecar();
    const server = await stage.startServer();
    const serverPort = await server.port('mtls');
    const client = await stage.startClient(serverPort);
    await Promise.all([server.live(), client.live()]);
    const url = `http://127.0.0.1:${await client.port('plain')}/`;
    const dispose = () => stage[Symbol.asyncDispose]();
    return { stage, workloadApi, sidecar, server, serverPort, client, url, [Symbol.asyncDispose]: dispose };
  } catch (thrown) {
    await stage[Symbol.asyncDispose]();
    throw thrown;
  }
}

/** A client of the backend with an SVID of its trust domain. */
export async function callerOf(workloadApi: DevWorkloadApi, port: number): Promise<MtlsClient> {
  const { bundlePem, ...identity } = await workloadApi.issueForeign('example.org', '/caller');
  return new MtlsClient(port, BACKEND, bundlePem, identity);
}
