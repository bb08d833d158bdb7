/** The embedded development Workload API: a small CA, and all five methods on a Unix socket. Not for production. */
import { createServer } from 'node:net';
import { type Clock, systemClock } from '../clock.ts';
import { parseEndpoint } from '../endpoint.ts';
import { SpiffeSdsError } from '../error.ts';
import type { X509SVIDResponse } from '../gen/messages.ts';
import { GrpcServer } from '../server/grpc/grpc-server.ts';
import { Status } from '../server/grpc/status.ts';
import { UnixListener } from '../server/unix-listener.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import { certificatesPem, type DevAuthority, privateKeyPem } from './authority.ts';
import { issueJwtSvid } from './jwt.ts';
import {
  authorityActivated,
  authorityPrepared,
  authorityRetired,
  type DevIdentity,
  type Issuance,
  initialState,
  newAuthority,
  newSvid,
  renewed,
  rotated,
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
  /** Default half of `svidTtlMs`; 0: only when told. */
  readonly rotateEveryMs?: number;
  /** Trust domains, each with a CA of its own. Default none. */
  readonly federated?: readonly string[];
  /** SVIDs are signed by an intermediate that comes along in their chain. Default false. */
  readonly intermediate?: boolean;
  /** Of the socket. Default 0o777: every process of this machine may ask, as with a SPIRE agent. */
  readonly mode?: number;
  readonly clock?: Clock;
}

export interface JwtOptions {
  /** Whose key signs. Default: our own trust domain's. */
  readonly trustDomain?: string;
  /** The trust domain that the subject says. Default: that of the key. */
  readonly as?: string;
  /** Negative: it has expired already. Default 5 min. */
  readonly ttlMs?: number;
}

const HOUR_MS = 3_600_000;
const JWT_TTL_MS = 300_000;
const GRACE_MS = 50;
const MAX_TIMER_MS = 2 ** 31 - 1;

export class DevWorkloadApi implements AsyncDisposable {
  readonly address: string;
  readonly trustDomain: string;
  readonly #issuance: Issuance;
  readonly #server: GrpcServer;
  readonly #listener: UnixListener;
  readonly #service: WorkloadService;
  readonly #foreign = new Map<TrustDomain, Promise<DevAuthority>>();
  #state: WorkloadState;
  #changes: Promise<unknown> = Promise.resolve();
  #cancelRotation: () => void = () => {};

  private constructor(
    address: string,
    issuance: Issuance,
    state: WorkloadState,
    service: WorkloadService,
    server: GrpcServer,
    listener: UnixListener,
  ) {
    this.address = address;
    this.trustDomain = state.trustDomain;
    this.#issuance = issuance;
    this.#state = state;
    for (const [name, authority] of state.federated) this.#foreign.set(name, Promise.resolve(authority));
    this.#service = service;
    this.#server = server;
    this.#listener = listener;
  }

  /** @throws SpiffeSdsError `endpoint_invalid`, `spiffe_id_invalid`, or `listen_failed` when the socket cannot be had */
  static async start(options: DevWorkloadApiOptions): Promise<DevWorkloadApi> {
    const { address, clock = systemClock, svidTtlMs = HOUR_MS, caTtlMs = 24 * HOUR_MS, intermediate = false } = options;
    const issuance: Issuance = { clock, svidTtlMs, caTtlMs, intermediate };
    const path = socketPath(address);
    const trustDomain = parseTrustDomain(options.trustDomain ?? 'example.org');
    const federated = (options.federated ?? []).map(parseTrustDomain);
    const state = await initialState(issuance, trustDomain, federated);
    const served = await withIdentities(issuance, state, options.identities ?? [{ path: '/workload' }]);
    const service = new WorkloadService(clock, options.jwtTtlMs ?? Math.min(svidTtlMs, JWT_TTL_MS), served);
    const server = new GrpcServer([service]);
    const listener = await UnixListener.open({
      path,
      mode: options.mode ?? 0o777,
      setting: '--workload-api',
      server: createServer((socket) => server.accept(socket)),
    });
    const api = new DevWorkloadApi(address, issuance, served, service, server, listener);
    api.#rotateEvery(options.rotateEveryMs ?? svidTtlMs / 2);
    return api;
  }

  /** Open FetchX509SVID streams. */
  get connections(): number {
    return this.#service.connections;
  }

  /** Resolves when that many FetchX509SVID streams have been opened since start, refused ones among them. */
  streamOpened(count = 1): Promise<void> {
    return this.#service.streamOpened(count);
  }

  /** The serial that is now served for each SPIFFE ID, as node's `X509Certificate.serialNumber` writes it. */
  serials(): ReadonlyMap<string, string> {
    return new Map(this.#state.identities.map(({ spiffeId, svid }) => [spiffeId, svid.serial]));
  }

  /** A new key and certificate for every identity. */
  rotate(): Promise<void> {
    return this.#change((state) => rotated(this.#issuance, state));
  }

  /** An identity that stays keeps its SVID; none at all withdraws everything. */
  setIdentities(identities: readonly DevIdentity[]): Promise<void> {
    return this.#change((state) => withIdentities(this.#issuance, state, identities));
  }

  /** A new authority joins the bundle; SVIDs still come from the old one. */
  prepareAuthority(): Promise<void> {
    return this.#change((state) => authorityPrepared(this.#issuance, state));
  }

  /** The newest authority signs every SVID anew. */
  activateAuthority(): Promise<void> {
    return this.#change((state) => authorityActivated(this.#issuance, state));
  }

  /** The authorities before the active one leave the bundle. */
  retireAuthority(): Promise<void> {
    return this.#change(authorityRetired);
  }

  /** Prepares and activates in one message. */
  rollAuthority(): Promise<void> {
    return this.#change(async (state) => authorityActivated(this.#issuance, await authorityPrepared(this.#issuance, state)));
  }

  federate(trustDomain: string): Promise<void> {
    const name = parseTrustDomain(trustDomain);
    return this.#change(async (state) => {
      const authority = await this.#foreignAuthority(name);
      return { ...state, federated: new Map(state.federated).set(name, authority) };
    });
  }

  unfederate(trustDomain: string): Promise<void> {
    return this.#change((state) => ({
      ...state,
      federated: new Map([...state.federated].filter(([name]) => name !== trustDomain)),
    }));
  }

  /** Puts the serial that is now served on the CRL. */
  revoke(spiffeId: string): Promise<void> {
    return this.#change((state) => {
      const identity = state.identities.find((served) => served.spiffeId === spiffeId);
      if (identity === undefined) throw new SpiffeSdsError('usage', `cannot revoke the SVID of ${spiffeId}: it is not served`);
      return { ...state, revoked: [...new Set([...state.revoked, identity.svid])] };
    });
  }

  /** An SVID for a peer: of our own trust domain, or of another, federated or not. */
  async issueForeign(trustDomain: string, path: string): Promise<{ chainPem: string; keyPem: string; bundlePem: string }> {
    const name = parseTrustDomain(trustDomain);
    const own = name === this.#state.trustDomain;
    const authority = own ? this.#state.active : (this.#state.federated.get(name) ?? (await this.#foreignAuthority(name)));
    const svid = await newSvid(this.#issuance, authority, workloadId(name, path));
    const bundle = own ? this.#state.authorities : [authority];
    return {
      chainPem: certificatesPem(svid.chain),
      keyPem: privateKeyPem(svid.privateKey),
      bundlePem: certificatesPem(bundle.map(({ certificate }) => certificate)),
    };
  }

  /** A JWT-SVID for a peer, of our own trust domain or of another. */
  async issueJwt(path: string, audience: readonly string[], options: JwtOptions = {}): Promise<string> {
    const { trustDomain: name = this.trustDomain, as = name, ttlMs = JWT_TTL_MS } = options;
    const trustDomain = parseTrustDomain(name);
    const authority = trustDomain === this.#state.trustDomain ? this.#state.active : await this.#foreignAuthority(trustDomain);
    const issuedAt = this.#issuance.clock.now();
    const claims = { spiffeId: workloadId(parseTrustDomain(as), path), audience, issuedAt, expiresAt: issuedAt + ttlMs };
    return issueJwtSvid(authority.jwt, claims);
  }

  /** Streams get no message from now on, until release. */
  hold(): void {
    this.#service.hold();
  }

  release(): void {
    this.#service.release();
  }

  /** Ends all streams with PERMISSION_DENIED, and refuses every call, until allow. */
  deny(): void {
    this.#service.deny();
  }

  allow(): void {
    this.#service.allow();
  }

  /** @param code gRPC status, default UNAVAILABLE */
  endStreams(code: number = Status.UNAVAILABLE): void {
    this.#service.endStreams(code, 'the development Workload API ended the stream');
  }

  /** Sends these bytes as the message on open FetchX509SVID streams. */
  sendRaw(bytes: Uint8Array): void {
    this.#service.sendRaw(bytes);
  }

  /** Sends a doctored copy of the current response on open FetchX509SVID streams. */
  send(change: (response: X509SVIDResponse) => X509SVIDResponse): void {
    this.#service.send(change);
  }

  async close(): Promise<void> {
    this.#cancelRotation();
    await this.#changes;
    await this.#listener.close();
    await this.#server.close(GRACE_MS);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One change after the other, each published when it is complete. */
  #change(step: (state: WorkloadState) => WorkloadState | Promise<WorkloadState>): Promise<void> {
    const done = this.#changes.then(async () => {
      this.#state = await withCrls(this.#issuance, await step(this.#state));
      this.#service.publish(this.#state);
    });
    this.#changes = done.catch(() => {});
    return done;
  }

  #rotateEvery(ms: number): void {
    if (ms === 0) return;
    this.#cancelRotation = this.#issuance.clock.after(Math.min(ms, MAX_TIMER_MS), () => {
      this.#rotateEvery(ms);
      void this.#change((state) => renewed(this.#issuance, state));
    });
  }

  /** The same authority each time, so that its SVIDs are still trusted when it is federated later. */
  #foreignAuthority(name: TrustDomain): Promise<DevAuthority> {
    const known = this.#foreign.get(name) ?? newAuthority(this.#issuance, name);
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
