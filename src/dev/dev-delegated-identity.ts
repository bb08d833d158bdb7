/** The development Delegated Identity API: an agent's admin socket, beside a development Workload API. Not for production. */
import { type Clock, systemClock } from '../clock.ts';
import { parseEndpoint } from '../endpoint.ts';
import { SpiffeSdsError } from '../error.ts';
import { GrpcServer } from '../server/grpc/grpc-server.ts';
import { DelegatedService } from './delegated-service.ts';
import { DevSocket } from './dev-socket.ts';
import type { DevWorkloadApi } from './dev-workload-api.ts';
import type { ProcessFinder } from './processes.ts';

export interface DevDelegatedIdentityOptions {
  /** `unix:///absolute/path`. */
  readonly address: string;
  readonly workloadApi: DevWorkloadApi;
  /** The SPIFFE IDs of those that may ask. */
  readonly authorizedDelegates: readonly string[];
  readonly find?: ProcessFinder;
  readonly clock?: Clock;
}

/** Who may open it may have the identities of all: nobody else than its user. */
const MODE = 0o700;

export class DevDelegatedIdentity implements AsyncDisposable {
  readonly address: string;
  readonly #service: DelegatedService;
  readonly #socket: DevSocket;
  readonly #unfollow: () => void;

  private constructor(address: string, service: DelegatedService, socket: DevSocket, unfollow: () => void) {
    this.address = address;
    this.#service = service;
    this.#socket = socket;
    this.#unfollow = unfollow;
  }

  /** @throws SpiffeSdsError `endpoint_invalid`, or `listen_failed` when the socket cannot be had */
  static async start({
    address,
    workloadApi,
    authorizedDelegates,
    find,
    clock = systemClock,
  }: DevDelegatedIdentityOptions): Promise<DevDelegatedIdentity> {
    const endpoint = parseEndpoint(address, { unixOnly: true });
    if (endpoint.kind !== 'unix')
      throw new SpiffeSdsError(
        'endpoint_invalid',
        `the development admin socket cannot be ${address}: it must be unix:///absolute/path`,
      );
    const service = new DelegatedService({ clock, authorizedDelegates, ...(find && { find }) });
    const grpc = new GrpcServer([service], { clock });
    const unfollow = workloadApi.follow((state) => service.publish(state));
    const socket = await DevSocket.open({ path: endpoint.path, mode: MODE, setting: 'broker.address', grpc });
    return new DevDelegatedIdentity(address, service, socket, unfollow);
  }

  /** Open streams with SVIDs. */
  get subscriptions(): number {
    return this.#service.subscriptions;
  }

  /** Open streams with X.509 bundles. */
  get bundleStreams(): number {
    return this.#service.bundleStreams;
  }

  async close(): Promise<void> {
    this.#unfollow();
    await this.#socket.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
