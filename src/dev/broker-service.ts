/** The server side of the Broker API, for development: it looks at the uid of the process that is asked about. */
import { readFileSync, statSync } from 'node:fs';
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
import {
  type DevProcess,
  jwtBundlesResponse,
  servedTo,
  type WorkloadState,
  x509BundlesResponse,
  x509SvidResponse,
} from './workload-state.ts';

const SERVICE = 'spiffe.broker.API';
const PID_REFERENCE = 'type.googleapis.com/spiffe.broker.WorkloadPIDReference';
const SHUTTING_DOWN: Failure = { code: Status.UNAVAILABLE, details: 'the development broker is shutting down' };
const JWT_TTL_MS = 300_000;

interface Subscription {
  readonly process: DevProcess;
  readonly call: Call;
  readonly encodeFor: (state: WorkloadState) => Buffer;
  sent: Buffer | undefined;
}

/** Finds the user of a process; undefined: there is no such process. */
export type ProcessFinder = (pid: number) => DevProcess | undefined;

export interface BrokerServiceOptions {
  readonly clock: Clock;
  /** Default: /proc. */
  readonly find?: ProcessFinder;
}

/** Like an agent of SPIRE, it attests a process once for each call, and keeps a stream open when that process ends. */
export class BrokerService implements GrpcService {
  readonly #clock: Clock;
  readonly #find: ProcessFinder;
  readonly #subscriptions = new Set<Subscription>();
  #state: WorkloadState | undefined;
  #draining = false;

  constructor({ clock, find = findProcess }: BrokerServiceOptions) {
    this.#clock = clock;
    this.#find = find;
  }

  /** How many streams with SVIDs are open. */
  get subscriptions(): number {
    return [...this.#subscriptions].filter(({ encodeFor }) => encodeFor === SVIDS).length;
  }

  get methods(): Readonly<Record<string, Method>> {
    const stream = (request: keyof Messages & `spiffe.broker.Subscribe${string}`, encodeFor: Subscription['encodeFor']): Method =>
      serverStreaming({
        decode: (bytes) => decode(request, bytes),
        admit: withMetadata,
        open: ({ reference }, call) => this.#open(reference, call, encodeFor),
      });
    return {
      [`/${SERVICE}/SubscribeToX509SVID`]: stream('spiffe.broker.SubscribeToX509SVIDRequest', SVIDS),
      [`/${SERVICE}/SubscribeToX509Bundles`]: stream('spiffe.broker.SubscribeToX509BundlesRequest', BUNDLES),
      [`/${SERVICE}/SubscribeToJWTBundles`]: stream('spiffe.broker.SubscribeToJWTBundlesRequest', JWT_BUNDLES),
      [`/${SERVICE}/FetchJWTSVID`]: unary({
        decode: (bytes) => decode('spiffe.broker.FetchJWTSVIDRequest', bytes),
        admit: withMetadata,
        answer: (request) => this.#fetchJwtSvid(request),
      }),
    };
  }

  /** Serves this from now on. */
  publish(state: WorkloadState): void {
    this.#state = state;
    for (const subscription of this.#subscriptions) this.#push(subscription);
  }

  drain(): void {
    this.#draining = true;
    for (const { call } of [...this.#subscriptions]) call.end(SHUTTING_DOWN.code, SHUTTING_DOWN.details);
  }

  #open(reference: WorkloadReference | null, call: Call, encodeFor: Subscription['encodeFor']): () => void {
    const found = this.#draining ? SHUTTING_DOWN : this.#attest(reference);
    if ('code' in found) {
      call.end(found.code, found.details);
      return () => undefined;
    }
    const subscription: Subscription = { process: found, call, encodeFor, sent: undefined };
    this.#subscriptions.add(subscription);
    this.#push(subscription);
    return () => this.#subscriptions.delete(subscription);
  }

  /** A process without identities is no failure: they may come. */
  #push(subscription: Subscription): void {
    if (this.#state === undefined) return;
    const message = subscription.encodeFor(servedTo(this.#state, subscription.process));
    if (subscription.sent?.equals(message) === true) return;
    subscription.sent = message;
    subscription.call.send(frameOf(message));
  }

  #attest(reference: WorkloadReference | null): DevProcess | Failure {
    const any = reference?.reference;
    if (any?.type_url !== PID_REFERENCE)
      return { code: Status.INVALID_ARGUMENT, details: `the development broker knows processes only: ${PID_REFERENCE}` };
    const { pid } = decode('spiffe.broker.WorkloadPIDReference', any.value);
    if (pid <= 0) return { code: Status.INVALID_ARGUMENT, details: 'a pid must be positive' };
    return this.#find(pid) ?? { code: Status.NOT_FOUND, details: `there is no process ${pid}` };
  }

  async #fetchJwtSvid({ reference, audience, spiffe_id }: FetchJWTSVIDRequest): Promise<Frame | Failure> {
    const found = this.#draining ? SHUTTING_DOWN : this.#attest(reference);
    if ('code' in found) return found;
    if (audience.length === 0) return { code: Status.INVALID_ARGUMENT, details: 'the audience is missing' };
    const { identities, active } = servedTo(this.#state as WorkloadState, found);
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

/** The effective uid, as the owner of /proc/PID has it. */
function findProcess(pid: number): DevProcess | undefined {
  const uid = /^Uid:\s+\d+\s+(\d+)/m.exec(readStatus(pid) ?? '')?.[1];
  return uid === undefined ? undefined : { pid, uid: Number(uid) };
}

function readStatus(pid: number): string | undefined {
  if (statSync(`/proc/${pid}`, { throwIfNoEntry: false }) === undefined) return undefined;
  try {
    return readFileSync(`/proc/${pid}/status`, 'utf8');
  } catch {
    return undefined;
  }
}

/** Broker Endpoint specification: security header. */
function withMetadata(headers: IncomingHttpHeaders): Failure | undefined {
  if (headers['broker.spiffe.io'] === 'true') return undefined;
  return { code: Status.INVALID_ARGUMENT, details: 'the metadata "broker.spiffe.io: true" is missing' };
}
