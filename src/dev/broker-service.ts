/** The server side of the Broker API, for development: it looks at the uid of the process that is asked about, or knows a pod by its uid. */
import type { IncomingHttpHeaders } from 'node:http2';
import type { Clock } from '../clock.ts';
import type { FetchJWTSVIDRequest, Messages, WorkloadReference } from '../gen/messages.ts';
import type { Call, Method } from '../server/grpc/call.ts';
import type { GrpcService } from '../server/grpc/grpc-server.ts';
import { serverStreaming, unary } from '../server/grpc/methods.ts';
import { type Failure, Status } from '../server/grpc/status.ts';
import { type Frame, frameOf } from '../wire/frame.ts';
import { decode, encode } from '../wire/wire.ts';
import { issueJwtSvid } from './jwt.ts';
import { findProcess, type ProcessFinder } from './processes.ts';
import { SHUTTING_DOWN, StateStreams } from './state-streams.ts';
import {
  type DevPod,
  type DevProcess,
  jwtBundlesResponse,
  servedTo,
  type WorkloadState,
  x509BundlesResponse,
  x509SvidResponse,
} from './workload-state.ts';

const SERVICE = 'spiffe.broker.API';
const PID_REFERENCE = 'type.googleapis.com/spiffe.broker.WorkloadPIDReference';
const KUBERNETES_REFERENCE = 'type.googleapis.com/spiffe.broker.KubernetesObjectReference';
const JWT_TTL_MS = 300_000;

type Encoding = (state: WorkloadState) => Buffer;

export interface BrokerServiceOptions {
  readonly clock: Clock;
  /** Default: /proc. */
  readonly find?: ProcessFinder;
}

/** Like an agent of SPIRE, it attests a process once for each call, and keeps a stream open when that process ends. */
export class BrokerService implements GrpcService {
  readonly #clock: Clock;
  readonly #find: ProcessFinder;
  readonly #streams = new StateStreams();

  constructor({ clock, find = findProcess }: BrokerServiceOptions) {
    this.#clock = clock;
    this.#find = find;
  }

  /** How many streams with SVIDs are open. */
  get subscriptions(): number {
    return this.#streams.count('SubscribeToX509SVID');
  }

  get methods(): Readonly<Record<string, Method>> {
    const stream = <Name extends `Subscribe${string}`>(
      name: Name,
      request: keyof Messages & `spiffe.broker.Subscribe${string}`,
      encodeFor: Encoding,
    ): Record<string, Method> => ({
      [`/${SERVICE}/${name}`]: serverStreaming({
        decode: (bytes) => decode(request, bytes),
        admit: withMetadata,
        open: ({ reference }, call) => this.#open(name, reference, call, encodeFor),
      }),
    });
    return {
      ...stream('SubscribeToX509SVID', 'spiffe.broker.SubscribeToX509SVIDRequest', SVIDS),
      ...stream('SubscribeToX509Bundles', 'spiffe.broker.SubscribeToX509BundlesRequest', BUNDLES),
      ...stream('SubscribeToJWTBundles', 'spiffe.broker.SubscribeToJWTBundlesRequest', JWT_BUNDLES),
      [`/${SERVICE}/FetchJWTSVID`]: unary({
        decode: (bytes) => decode('spiffe.broker.FetchJWTSVIDRequest', bytes),
        admit: withMetadata,
        answer: (request) => this.#fetchJwtSvid(request),
      }),
    };
  }

  /** Serves this from now on. */
  publish(state: WorkloadState): void {
    this.#streams.publish(state);
  }

  drain(): void {
    this.#streams.drain();
  }

  /** A process without identities is no failure: they may come. */
  #open(kind: string, reference: WorkloadReference | null, call: Call, encodeFor: Encoding): () => void {
    const found = this.#attest(reference);
    if (!('code' in found)) return this.#streams.open(call, kind, (state) => encodeFor(servedTo(state, found)));
    call.end(found.code, found.details);
    return () => undefined;
  }

  #attest(reference: WorkloadReference | null): DevProcess | DevPod | Failure {
    if (this.#streams.draining) return SHUTTING_DOWN;
    const any = reference?.reference;
    if (any?.type_url === KUBERNETES_REFERENCE) return podOf(any.value);
    if (any?.type_url !== PID_REFERENCE)
      return {
        code: Status.INVALID_ARGUMENT,
        details: `the development broker knows ${PID_REFERENCE} and ${KUBERNETES_REFERENCE} only`,
      };
    const { pid } = decode('spiffe.broker.WorkloadPIDReference', any.value);
    if (pid <= 0) return { code: Status.INVALID_ARGUMENT, details: 'a pid must be positive' };
    return this.#find(pid) ?? { code: Status.NOT_FOUND, details: `there is no process ${pid}` };
  }

  async #fetchJwtSvid({ reference, audience, spiffe_id }: FetchJWTSVIDRequest): Promise<Frame | Failure> {
    const found = this.#attest(reference);
    if ('code' in found) return found;
    if (audience.length === 0) return { code: Status.INVALID_ARGUMENT, details: 'the audience is missing' };
    const { identities, active } = servedTo(this.#streams.state as WorkloadState, found);
    const wanted = identities.filter(({ spiffeId }) => spiffe_id === '' || spiffe_id === spiffeId);
    if (wanted.length === 0) return { code: Status.PERMISSION_DENIED, details: 'this workload has no such identity' };
    const issuedAt = this.#clock.now();
    const svids = wanted.map(async ({ spiffeId, hint }) => ({
      spiffe_id: spiffeId,
      svid: await issueJwtSvid(active.jwt, { spiffeId, audience, issuedAt, expiresAt: issuedAt + JWT_TTL_MS }),
      hint,
    }));
    return frameOf(encode('JWTSVIDResponse', { svids: await Promise.all(svids) }));
  }
}

const SVIDS = (state: WorkloadState) => encode('X509SVIDResponse', x509SvidResponse(state));
const BUNDLES = (state: WorkloadState) => encode('X509BundlesResponse', x509BundlesResponse(state));
const JWT_BUNDLES = (state: WorkloadState) => encode('JWTBundlesResponse', jwtBundlesResponse(state));

function podOf(reference: Uint8Array): DevPod | Failure {
  const { type, uid } = decode('spiffe.broker.KubernetesObjectReference', reference);
  if (type?.plural !== 'pods' || type.group !== 'core')
    return { code: Status.INVALID_ARGUMENT, details: 'of the objects of Kubernetes the development broker knows pods only' };
  return uid === '' ? { code: Status.INVALID_ARGUMENT, details: 'the uid of the pod is missing' } : { pod: uid };
}

/** Broker Endpoint specification: security header. */
function withMetadata(headers: IncomingHttpHeaders): Failure | undefined {
  if (headers['broker.spiffe.io'] === 'true') return undefined;
  return { code: Status.INVALID_ARGUMENT, details: 'the metadata "broker.spiffe.io: true" is missing' };
}
