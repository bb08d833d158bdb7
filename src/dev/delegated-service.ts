/**
 * The server side of SPIRE's Delegated Identity API, for development. It fails as an agent of SPIRE 1.16 does: who asks must be an authorized
 * delegate, a workload is named by selectors or by a pid, and a process that cannot be attested is UNAVAILABLE.
 */
import type { Clock } from '../clock.ts';
import type { FetchJWTSVIDsRequest, Selector } from '../gen/messages.ts';
import type { Call, Method } from '../server/grpc/call.ts';
import type { GrpcService } from '../server/grpc/grpc-server.ts';
import { serverStreaming, unary } from '../server/grpc/methods.ts';
import { type Failure, Status } from '../server/grpc/status.ts';
import { pathOf, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { type Frame, frameOf } from '../wire/frame.ts';
import { decode, encode } from '../wire/wire.ts';
import { issueJwtSvid } from './jwt.ts';
import { findProcess, type ProcessFinder } from './processes.ts';
import { SHUTTING_DOWN, StateStreams } from './state-streams.ts';
import {
  type DevProcess,
  jwtBundlesResponse,
  type ServedIdentity,
  servedTo,
  type WorkloadState,
  x509BundlesResponse,
} from './workload-state.ts';

const PACKAGE = 'spire.api.agent.delegatedidentity.v1';
const SERVICE = `${PACKAGE}.DelegatedIdentity`;
const JWT_TTL_MS = 300_000;

export interface DelegatedServiceOptions {
  readonly clock: Clock;
  /** The SPIFFE IDs of those that may ask. Whoever may open the socket has the identities that the Workload API gives to everybody. */
  readonly authorizedDelegates: readonly string[];
  /** Default: /proc. */
  readonly find?: ProcessFinder;
}

interface Asked {
  readonly selectors: readonly Selector[];
  readonly pid: number;
}

/** A process, or what the caller says that it is. */
type Attested = Pick<DevProcess, 'uid'> & Partial<DevProcess>;

export class DelegatedService implements GrpcService {
  readonly #options: DelegatedServiceOptions;
  readonly #streams = new StateStreams();

  constructor(options: DelegatedServiceOptions) {
    this.#options = options;
  }

  /** How many streams with SVIDs are open. */
  get subscriptions(): number {
    return this.#streams.count('SubscribeToX509SVIDs');
  }

  /** How many streams with X.509 bundles are open. */
  get bundleStreams(): number {
    return this.#streams.count('SubscribeToX509Bundles');
  }

  get methods(): Readonly<Record<string, Method>> {
    return {
      [`/${SERVICE}/SubscribeToX509SVIDs`]: serverStreaming({
        decode: (bytes) => decode(`${PACKAGE}.SubscribeToX509SVIDsRequest`, bytes),
        open: (asked, call) => this.#openSvids(asked, call),
      }),
      [`/${SERVICE}/SubscribeToX509Bundles`]: serverStreaming({
        decode: (bytes) => decode(`${PACKAGE}.SubscribeToX509BundlesRequest`, bytes),
        open: (_, call) => this.#openBundles('SubscribeToX509Bundles', call, x509Bundles),
      }),
      [`/${SERVICE}/SubscribeToJWTBundles`]: serverStreaming({
        decode: (bytes) => decode(`${PACKAGE}.SubscribeToJWTBundlesRequest`, bytes),
        open: (_, call) => this.#openBundles('SubscribeToJWTBundles', call, jwtBundles),
      }),
      [`/${SERVICE}/FetchJWTSVIDs`]: unary({
        decode: (bytes) => decode(`${PACKAGE}.FetchJWTSVIDsRequest`, bytes),
        answer: (request) => this.#fetchJwtSvids(request),
      }),
    };
  }

  /** Serves this from now on. As in SPIRE, a delegate that is none any more learns it with the next change. */
  publish(state: WorkloadState): void {
    const refusal = this.#refusalIn(state);
    if (refusal !== undefined) this.#streams.endAll(refusal);
    this.#streams.publish(state);
  }

  drain(): void {
    this.#streams.drain();
  }

  #openSvids(asked: Asked, call: Call): () => void {
    const found = this.#refusal ?? this.#attest(asked);
    if (!('code' in found)) return this.#streams.open(call, 'SubscribeToX509SVIDs', (state) => x509Svids(state, found));
    call.end(found.code, found.details);
    return () => undefined;
  }

  #openBundles(kind: string, call: Call, encoded: (state: WorkloadState) => Buffer): () => void {
    const refusal = this.#refusal;
    if (refusal === undefined) return this.#streams.open(call, kind, encoded);
    call.end(refusal.code, refusal.details);
    return () => undefined;
  }

  get #refusal(): Failure | undefined {
    return this.#streams.draining ? SHUTTING_DOWN : this.#refusalIn(this.#streams.state);
  }

  #refusalIn(state: WorkloadState | undefined): Failure | undefined {
    const ofCaller = (state === undefined ? [] : servedTo(state).identities).map(({ spiffeId }) => spiffeId as string);
    if (ofCaller.length === 0) return { code: Status.PERMISSION_DENIED, details: 'no identity issued' };
    if (ofCaller.some((id) => this.#options.authorizedDelegates.includes(id))) return undefined;
    return { code: Status.PERMISSION_DENIED, details: 'caller not configured as an authorized delegate' };
  }

  #attest({ selectors, pid }: Asked): Attested | Failure {
    const { find = findProcess } = this.#options;
    if (selectors.length > 0 === (pid !== 0))
      return { code: Status.INVALID_ARGUMENT, details: 'must provide either selectors or non-zero PID, but not both' };
    if (pid !== 0) return find(pid) ?? { code: Status.UNAVAILABLE, details: 'workload attestation failed' };
    const uid = selectors.find(({ type, value }) => type === 'unix' && value.startsWith('uid:'))?.value.slice('uid:'.length);
    return { uid: uid === undefined ? -1 : Number(uid) };
  }

  async #fetchJwtSvids({ audience, ...asked }: FetchJWTSVIDsRequest): Promise<Frame | Failure> {
    if (audience.length === 0) return { code: Status.INVALID_ARGUMENT, details: 'audience must be specified' };
    const found = this.#refusal ?? this.#attest(asked);
    if ('code' in found) return found;
    const state = this.#streams.state as WorkloadState;
    const identities = identitiesOf(state, found);
    if (identities.length === 0) return { code: Status.PERMISSION_DENIED, details: 'no identity issued' };
    const issuedAt = this.#options.clock.now();
    const svids = identities.map(async ({ spiffeId, hint }) => ({
      id: idOf(spiffeId),
      token: await issueJwtSvid(state.active.jwt, { spiffeId, audience, issuedAt, expiresAt: issuedAt + JWT_TTL_MS }),
      hint,
    }));
    return frameOf(encode(`${PACKAGE}.FetchJWTSVIDsResponse`, { svids: await Promise.all(svids) }));
  }
}

function identitiesOf(state: WorkloadState, { uid, pid = 0 }: Attested): readonly ServedIdentity[] {
  return servedTo(state, { uid, pid }).identities;
}

function x509Svids(state: WorkloadState, process: Attested): Buffer {
  return encode(`${PACKAGE}.SubscribeToX509SVIDsResponse`, {
    x509_svids: identitiesOf(state, process).map(({ spiffeId, hint, svid }) => ({
      x509_svid: { cert_chain: svid.chain, id: idOf(spiffeId), hint },
      x509_svid_key: svid.privateKey,
    })),
    federates_with: [...state.federated.keys()].map((trustDomain) => `spiffe://${trustDomain}`),
  });
}

function x509Bundles(state: WorkloadState): Buffer {
  return encode(`${PACKAGE}.SubscribeToX509BundlesResponse`, { ca_certificates: x509BundlesResponse(state).bundles });
}

function jwtBundles(state: WorkloadState): Buffer {
  return encode(`${PACKAGE}.SubscribeToJWTBundlesResponse`, jwtBundlesResponse(state));
}

function idOf(spiffeId: ServedIdentity['spiffeId']): { readonly trust_domain: string; readonly path: string } {
  return { trust_domain: trustDomainOf(spiffeId), path: pathOf(spiffeId) };
}
