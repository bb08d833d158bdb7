/** The embedded development Workload API: a small CA, and all five methods on a Unix socket. Not for production. */
import { type Clock, systemClock } from '../clock.ts';
import { parseEndpoint } from '../endpoint.ts';
import { SpiffeSdsError } from '../error.ts';
import { GrpcServer } from '../server/grpc/grpc-server.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import { certificatesPem, type DevAuthority, type DevSvid, privateKeyPem } from './authority.ts';
import { DevSocket } from './dev-socket.ts';
import {
  type DevIdentity,
  type Issuance,
  initialState,
  newAuthority,
  newSvid,
  renewed,
  withCrls,
  withIdentities,
  workloadId,
} from './workload-changes.ts';
import { WorkloadService } from './workload-service.ts';
import type { WorkloadState } from './workload-state.ts';

export type { DevIdentity } from './workload-changes.ts';

export interface DevWorkloadApiOptions {
  /** `unix:///absolute/path`; its directory is made. */
  readonly address: string;
  /** Default `example.org`. */
  readonly trustDomain?: string;
  /** The first is the default identity. Default `/workload`. */
  readonly identities?: readonly DevIdentity[];
  /** Default 1 h. */
  readonly svidTtlMs?: number;
  /** Of JWT-SVIDs. Default: as long, but 5 min at most. */
  readonly jwtTtlMs?: number;
  /** Default 24 h. */
  readonly caTtlMs?: number;
  /** Default half of `svidTtlMs`; 0: never by itself. */
  readonly rotateEveryMs?: number;
  /** Trust domains, each with a CA of its own. Default none. */
  readonly federated?: readonly string[];
  /** Whether SVIDs are signed by an intermediate, which is in their chain. Default false. */
  readonly intermediate?: boolean;
  /** In every SVID, the first also as its common name. Default none. */
  readonly dnsNames?: readonly string[];
  /** The mode of the socket. Default 0o777: every process of this machine may connect, as with a SPIRE agent. */
  readonly mode?: number;
  readonly clock?: Clock;
}

const HOUR_MS = 3_600_000;
const JWT_TTL_MS = 300_000;
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What a `DevWorkloadApi` is made of once its socket is open. */
export interface DevWorkloadApiParts {
  readonly address: string;
  readonly issuance: Issuance;
  readonly state: WorkloadState;
  readonly service: WorkloadService;
  readonly socket: DevSocket;
  readonly rotateEveryMs: number;
}

/** Serves identities that it signs itself, and rotates them. */
export class DevWorkloadApi implements AsyncDisposable {
  readonly address: string;
  readonly trustDomain: string;
  protected readonly issuance: Issuance;
  protected readonly service: WorkloadService;
  readonly #socket: DevSocket;
  readonly #foreign = new Map<TrustDomain, Promise<DevAuthority>>();
  #state: WorkloadState;
  #changes: Promise<unknown> = Promise.resolve();
  #cancelRotation: () => void = () => {};
  readonly #followers = new Set<(state: WorkloadState) => void>();

  protected constructor({ address, issuance, state, service, socket, rotateEveryMs }: DevWorkloadApiParts) {
    this.address = address;
    this.trustDomain = state.trustDomain;
    this.issuance = issuance;
    this.service = service;
    this.#state = state;
    for (const [name, authority] of state.federated) this.#foreign.set(name, Promise.resolve(authority));
    this.#socket = socket;
    this.#rotateEvery(rotateEveryMs);
  }

  /** @throws SpiffeSdsError `endpoint_invalid`, `spiffe_id_invalid`, or `listen_failed` when it cannot listen on the socket */
  static async start(options: DevWorkloadApiOptions): Promise<DevWorkloadApi> {
    return new DevWorkloadApi(await DevWorkloadApi.open(options));
  }

  protected static async open(options: DevWorkloadApiOptions): Promise<DevWorkloadApiParts> {
    const {
      address,
      clock = systemClock,
      svidTtlMs = HOUR_MS,
      caTtlMs = 24 * HOUR_MS,
      intermediate = false,
      dnsNames = [],
    } = options;
    const issuance: Issuance = { clock, svidTtlMs, caTtlMs, intermediate, dnsNames };
    const path = socketPath(address);
    const trustDomain = parseTrustDomain(options.trustDomain ?? 'example.org');
    const federated = (options.federated ?? []).map(parseTrustDomain);
    const empty = await initialState(issuance, trustDomain, federated);
    const state = await withIdentities(issuance, empty, options.identities ?? [{ path: '/workload' }]);
    const service = new WorkloadService(clock, options.jwtTtlMs ?? Math.min(svidTtlMs, JWT_TTL_MS), state);
    const grpc = new GrpcServer([service]);
    const socket = await DevSocket.open({ path, mode: options.mode ?? 0o777, setting: '--workload-api', grpc });
    return { address, issuance, state, service, socket, rotateEveryMs: options.rotateEveryMs ?? svidTtlMs / 2 };
  }

  /** What is served now. */
  protected get state(): WorkloadState {
    return this.#state;
  }

  /** Calls back with the state now, and with each that comes later. The returned function ends that. */
  follow(callback: (state: WorkloadState) => void): () => void {
    this.#followers.add(callback);
    callback(this.#state);
    return () => this.#followers.delete(callback);
  }

  /** An X509-SVID of our own trust domain, which is in no answer: of the server that a broker is. */
  issueServer(path: string): Promise<DevSvid> {
    return newSvid(this.issuance, this.#state.active, workloadId(this.#state.trustDomain, path));
  }

  /** An SVID for a peer: of our own trust domain, or of another, federated or not. */
  async issueForeign(trustDomain: string, path: string): Promise<{ chainPem: string; keyPem: string; bundlePem: string }> {
    const name = parseTrustDomain(trustDomain);
    const own = name === this.#state.trustDomain;
    const authority = own ? this.#state.active : (this.#state.federated.get(name) ?? (await this.foreignAuthority(name)));
    const svid = await newSvid(this.issuance, authority, workloadId(name, path));
    const bundle = own ? this.#state.authorities : [authority];
    return {
      chainPem: certificatesPem(svid.chain),
      keyPem: privateKeyPem(svid.privateKey),
      bundlePem: certificatesPem(bundle.map(({ certificate }) => certificate)),
    };
  }

  async close(): Promise<void> {
    this.#cancelRotation();
    await this.#changes;
    await this.#socket.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Makes one change after the other, and publishes each when it is complete. */
  protected change(step: (state: WorkloadState) => WorkloadState | Promise<WorkloadState>): Promise<void> {
    const done = this.#changes.then(async () => {
      this.#state = await withCrls(this.issuance, await step(this.#state));
      this.service.publish(this.#state);
      for (const follow of this.#followers) follow(this.#state);
    });
    this.#changes = done.catch(() => {});
    return done;
  }

  #rotateEvery(ms: number): void {
    if (ms === 0) return;
    this.#cancelRotation = this.issuance.clock.after(Math.min(ms, MAX_TIMER_MS), () => {
      this.#rotateEvery(ms);
      void this.change((state) => renewed(this.issuance, state));
    });
  }

  /** The same authority each time, so that its SVIDs are still trusted when it is federated later. */
  protected foreignAuthority(name: TrustDomain): Promise<DevAuthority> {
    const known = this.#foreign.get(name) ?? newAuthority(this.issuance, name);
    this.#foreign.set(name, known);
    return known;
  }
}

function socketPath(address: string): string {
  const endpoint = parseEndpoint(address);
  if (endpoint.kind === 'unix') return endpoint.path;
  throw new SpiffeSdsError(
    'endpoint_invalid',
    `the development Workload API cannot listen on ${address}: it must be unix:///absolute/path`,
  );
}
