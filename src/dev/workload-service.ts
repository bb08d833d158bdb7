/** The server side of the Workload API on gRPC: which streams are open, what each was sent last, and who is refused. */
import type { IncomingHttpHeaders } from 'node:http2';
import type { Clock } from '../clock.ts';
import { messageOf } from '../error.ts';
import type {
  JWTSVIDRequest,
  JWTSVIDResponse,
  Messages,
  ValidateJWTSVIDRequest,
  ValidateJWTSVIDResponse,
  X509SVIDResponse,
} from '../gen/messages.ts';
import type { Call, Method } from '../server/grpc/call.ts';
import type { GrpcService } from '../server/grpc/grpc-server.ts';
import { serverStreaming, unary } from '../server/grpc/methods.ts';
import { type Failure, Status } from '../server/grpc/status.ts';
import { verifyJwtSvid } from '../spiffe/jwt/jwt-svid.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import { frameOf } from '../wire/frame.ts';
import { decode, encode, type Input } from '../wire/wire.ts';
import { issueJwtSvid } from './jwt.ts';
import { toStruct } from './struct.ts';
import {
  jwtBundleOf,
  jwtBundlesResponse,
  servedTo,
  type WorkloadState,
  x509BundlesResponse,
  x509SvidResponse,
} from './workload-state.ts';

const SERVICE = 'SpiffeWorkloadAPI';

type StreamMethod = 'FetchX509SVID' | 'FetchX509Bundles' | 'FetchJWTBundles';

interface OpenStream {
  readonly method: StreamMethod;
  readonly call: Call;
  sent: Buffer | undefined;
}

/** The gRPC status that a call ends with. */
class CallStatus extends Error implements Failure {
  readonly code: number;
  readonly details: string;

  constructor(code: number, details: string) {
    super(details);
    this.code = code;
    this.details = details;
  }
}

const SHUTTING_DOWN = new CallStatus(Status.UNAVAILABLE, 'the development Workload API is shutting down');

export class WorkloadService implements GrpcService {
  readonly #clock: Clock;
  readonly #jwtTtlMs: number;
  readonly #streams = new Set<OpenStream>();
  readonly #openings = new Map<number, PromiseWithResolvers<void>>();
  #state: WorkloadState;
  #messages: Record<StreamMethod, Buffer>;
  #opened = 0;
  #held: boolean = false;
  #denied: boolean = false;
  #draining: boolean = false;

  constructor(clock: Clock, jwtTtlMs: number, state: WorkloadState) {
    this.#clock = clock;
    this.#jwtTtlMs = jwtTtlMs;
    this.#state = servedTo(state);
    this.#messages = encodeAll(this.#state);
  }

  get methods(): Readonly<Record<string, Method>> {
    // Messages are encoded when the state changes, and may be garbage on purpose: the streams take bytes.
    const stream = (name: StreamMethod, request: keyof Messages): Method =>
      serverStreaming({
        decode: (bytes) => decode(request, bytes),
        admit: withMetadata,
        open: (_, call) => this.#open(name, call),
      });
    return {
      [`/${SERVICE}/FetchX509SVID`]: stream('FetchX509SVID', 'X509SVIDRequest'),
      [`/${SERVICE}/FetchX509Bundles`]: stream('FetchX509Bundles', 'X509BundlesRequest'),
      [`/${SERVICE}/FetchJWTBundles`]: stream('FetchJWTBundles', 'JWTBundlesRequest'),
      [`/${SERVICE}/FetchJWTSVID`]: this.#unary('JWTSVIDRequest', 'JWTSVIDResponse', (request) => this.#fetchJwtSvid(request)),
      [`/${SERVICE}/ValidateJWTSVID`]: this.#unary('ValidateJWTSVIDRequest', 'ValidateJWTSVIDResponse', (request) =>
        this.#validateJwtSvid(request),
      ),
    };
  }

  drain(): void {
    this.#draining = true;
    this.endStreams(SHUTTING_DOWN.code, SHUTTING_DOWN.details);
  }

  get connections(): number {
    return this.#of('FetchX509SVID').length;
  }

  /** Resolves when that many FetchX509SVID streams have been opened, refused ones among them. */
  streamOpened(count: number): Promise<void> {
    if (this.#opened >= count) return Promise.resolve();
    const opening = this.#openings.get(count) ?? Promise.withResolvers<void>();
    this.#openings.set(count, opening);
    return opening.promise;
  }

  /** Serves this state from now on. A stream gets a message only when that differs from its last one. */
  publish(state: WorkloadState): void {
    this.#state = servedTo(state);
    this.#messages = encodeAll(this.#state);
    this.#pushAll();
  }

  hold(): void {
    this.#held = true;
  }

  release(): void {
    this.#held = false;
    this.#pushAll();
  }

  deny(): void {
    this.#denied = true;
    this.endStreams(Status.PERMISSION_DENIED, 'denied');
  }

  allow(): void {
    this.#denied = false;
  }

  endStreams(code: number, details: string): void {
    for (const { call } of [...this.#streams]) call.end(code, details);
  }

  /** Sends these bytes on open FetchX509SVID streams, held or not. */
  sendRaw(bytes: Uint8Array): void {
    for (const stream of this.#of('FetchX509SVID')) write(stream, Buffer.from(bytes));
  }

  send(change: (response: X509SVIDResponse) => X509SVIDResponse): void {
    this.sendRaw(encode('X509SVIDResponse', change(x509SvidResponse(this.#state))));
  }

  #of(name: StreamMethod): OpenStream[] {
    return [...this.#streams].filter((stream) => stream.method === name);
  }

  #open(name: StreamMethod, call: Call): () => void {
    const stream: OpenStream = { method: name, call, sent: undefined };
    const refusal = this.#refusal;
    if (refusal !== undefined) {
      call.end(refusal.code, refusal.details);
    } else {
      this.#streams.add(stream);
      this.#push(stream);
    }
    if (name === 'FetchX509SVID') {
      this.#opened += 1;
      this.#openings.get(this.#opened)?.resolve();
    }
    return () => this.#streams.delete(stream);
  }

  #pushAll(): void {
    for (const stream of this.#streams) this.#push(stream);
  }

  #push(stream: OpenStream): void {
    const message = this.#messages[stream.method];
    if (!this.#held && stream.sent?.equals(message) !== true) write(stream, message);
  }

  get #refusal(): CallStatus | undefined {
    if (this.#draining) return SHUTTING_DOWN;
    if (this.#denied) return new CallStatus(Status.PERMISSION_DENIED, 'denied');
    if (this.#state.identities.length === 0) return new CallStatus(Status.PERMISSION_DENIED, 'no identity issued');
    return undefined;
  }

  #unary<Request extends keyof Messages, Response extends keyof Messages>(
    requestType: Request,
    responseType: Response,
    answer: (request: Messages[Request]) => Promise<Input<Messages[Response]>>,
  ): Method {
    return unary({
      decode: (bytes) => decode(requestType, bytes),
      admit: withMetadata,
      answer: async (request) => {
        try {
          return this.#refusal ?? frameOf(encode(responseType, await answer(request)));
        } catch (error) {
          return error instanceof CallStatus ? error : { code: Status.INVALID_ARGUMENT, details: messageOf(error) };
        }
      },
    });
  }

  async #fetchJwtSvid(request: JWTSVIDRequest): Promise<JWTSVIDResponse> {
    const { identities, active } = this.#state;
    if (request.audience.length === 0) throw new CallStatus(Status.INVALID_ARGUMENT, 'the audience is missing');
    const wanted = identities.filter(({ spiffeId }) => request.spiffe_id === '' || request.spiffe_id === spiffeId);
    if (wanted.length === 0) throw new CallStatus(Status.PERMISSION_DENIED, `not entitled to ${request.spiffe_id}`);
    const issuedAt = this.#clock.now();
    const claims = { audience: request.audience, issuedAt, expiresAt: issuedAt + this.#jwtTtlMs };
    const svids = wanted.map(async ({ spiffeId, hint }) => {
      return { spiffe_id: spiffeId, svid: await issueJwtSvid(active.jwt, { spiffeId, ...claims }), hint };
    });
    return { svids: await Promise.all(svids) };
  }

  async #validateJwtSvid(request: ValidateJWTSVIDRequest): Promise<ValidateJWTSVIDResponse> {
    if (request.audience === '') throw new CallStatus(Status.INVALID_ARGUMENT, 'the audience is missing');
    const bundleOf = (trustDomain: TrustDomain) => jwtBundleOf(this.#state, trustDomain);
    const { id, claims } = await verifyJwtSvid(request.svid, request.audience, bundleOf, this.#clock.now());
    return { spiffe_id: id, claims: toStruct(claims) };
  }
}

function encodeAll(state: WorkloadState): Record<StreamMethod, Buffer> {
  return {
    FetchX509SVID: encode('X509SVIDResponse', x509SvidResponse(state)),
    FetchX509Bundles: encode('X509BundlesResponse', x509BundlesResponse(state)),
    FetchJWTBundles: encode('JWTBundlesResponse', jwtBundlesResponse(state)),
  };
}

function write(stream: OpenStream, bytes: Buffer): void {
  stream.sent = bytes;
  stream.call.send(frameOf(bytes));
}

/** SPIFFE Workload Endpoint, section 6. */
function withMetadata(headers: IncomingHttpHeaders): Failure | undefined {
  if (headers['workload.spiffe.io'] === 'true') return undefined;
  return { code: Status.INVALID_ARGUMENT, details: 'the metadata "workload.spiffe.io: true" is missing' };
}
