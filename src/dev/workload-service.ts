/** The server side of the Workload API on gRPC: which streams are open, what each was sent last, and who is refused. */
import {
  type Metadata,
  type MethodDefinition,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import { messageOf } from '../error.ts';
import type {
  JWTSVIDRequest,
  JWTSVIDResponse,
  ValidateJWTSVIDRequest,
  ValidateJWTSVIDResponse,
  X509SVIDResponse,
} from '../gen/messages.ts';
import type { GrpcService } from '../server/grpc-server.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import { encode, method } from '../wire/wire.ts';
import { issueJwtSvid, validateJwtSvid } from './jwt.ts';
import { toStruct } from './struct.ts';
import { jwksOf, jwtBundlesResponse, type WorkloadState, x509BundlesResponse, x509SvidResponse } from './workload-state.ts';

const SERVICE = 'SpiffeWorkloadAPI';

type StreamMethod = 'FetchX509SVID' | 'FetchX509Bundles' | 'FetchJWTBundles';
type Call = ServerWritableStream<unknown, Buffer>;

interface OpenStream {
  readonly method: StreamMethod;
  readonly call: Call;
  sent: Buffer | undefined;
}

/** What a call ends with, as grpc-js takes it. */
class CallStatus extends Error {
  readonly code: number;
  readonly details: string;

  constructor(code: number, details: string) {
    super(details);
    this.code = code;
    this.details = details;
  }
}

const SHUTTING_DOWN = new CallStatus(status.UNAVAILABLE, 'the development Workload API is shutting down');

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
    this.#state = state;
    this.#messages = encodeAll(state);
  }

  get definition(): ServiceDefinition {
    // Messages are encoded when the state changes, and may be garbage on purpose: the streams take bytes.
    const stream = (name: StreamMethod): MethodDefinition<unknown, Buffer> => ({
      ...method<unknown, Buffer>(SERVICE, name),
      responseSerialize: (bytes) => bytes,
    });
    return {
      FetchX509SVID: stream('FetchX509SVID'),
      FetchX509Bundles: stream('FetchX509Bundles'),
      FetchJWTBundles: stream('FetchJWTBundles'),
      FetchJWTSVID: method(SERVICE, 'FetchJWTSVID'),
      ValidateJWTSVID: method(SERVICE, 'ValidateJWTSVID'),
    };
  }

  get implementation(): UntypedServiceImplementation {
    return {
      FetchX509SVID: (call: Call) => this.#open('FetchX509SVID', call),
      FetchX509Bundles: (call: Call) => this.#open('FetchX509Bundles', call),
      FetchJWTBundles: (call: Call) => this.#open('FetchJWTBundles', call),
      FetchJWTSVID: this.#unary((request: JWTSVIDRequest) => this.#fetchJwtSvid(request)),
      ValidateJWTSVID: this.#unary((request: ValidateJWTSVIDRequest) => this.#validateJwtSvid(request)),
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

  /** Serves this from now on. A stream gets a message only when it says something new. */
  publish(state: WorkloadState): void {
    this.#state = state;
    this.#messages = encodeAll(state);
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
    this.endStreams(status.PERMISSION_DENIED, 'denied');
  }

  allow(): void {
    this.#denied = false;
  }

  endStreams(code: number, details: string): void {
    for (const { call } of this.#streams) end(call, new CallStatus(code, details));
    this.#streams.clear();
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

  #open(name: StreamMethod, call: Call): void {
    const refusal = this.#refusal(call.metadata);
    if (refusal !== undefined) {
      end(call, refusal);
    } else {
      const stream: OpenStream = { method: name, call, sent: undefined };
      this.#streams.add(stream);
      call.once('cancelled', () => this.#streams.delete(stream));
      this.#push(stream);
    }
    if (name === 'FetchX509SVID') {
      this.#opened += 1;
      this.#openings.get(this.#opened)?.resolve();
    }
  }

  #pushAll(): void {
    for (const stream of this.#streams) this.#push(stream);
  }

  #push(stream: OpenStream): void {
    const message = this.#messages[stream.method];
    if (!this.#held && stream.sent?.equals(message) !== true) write(stream, message);
  }

  #refusal(metadata: Metadata): CallStatus | undefined {
    if (this.#draining) return SHUTTING_DOWN;
    if (metadata.get('workload.spiffe.io')[0] !== 'true') {
      return new CallStatus(status.INVALID_ARGUMENT, 'the metadata "workload.spiffe.io: true" is missing');
    }
    if (this.#denied) return new CallStatus(status.PERMISSION_DENIED, 'denied');
    if (this.#state.identities.length === 0) return new CallStatus(status.PERMISSION_DENIED, 'no identity issued');
    return undefined;
  }

  #unary<Request, Response>(answer: (request: Request) => Promise<Response>) {
    return async (call: { readonly metadata: Metadata; readonly request: Request }, reply: sendUnaryData<Response>) => {
      try {
        const refusal = this.#refusal(call.metadata);
        if (refusal !== undefined) throw refusal;
        reply(null, await answer(call.request));
      } catch (error) {
        reply(error instanceof CallStatus ? error : { code: status.INVALID_ARGUMENT, details: messageOf(error) });
      }
    };
  }

  async #fetchJwtSvid(request: JWTSVIDRequest): Promise<JWTSVIDResponse> {
    const { identities, active } = this.#state;
    if (request.audience.length === 0) throw new CallStatus(status.INVALID_ARGUMENT, 'the audience is missing');
    const wanted = identities.filter(({ spiffeId }) => request.spiffe_id === '' || request.spiffe_id === spiffeId);
    if (wanted.length === 0) throw new CallStatus(status.PERMISSION_DENIED, `not entitled to ${request.spiffe_id}`);
    const issuedAt = this.#clock.now();
    const claims = { audience: request.audience, issuedAt, expiresAt: issuedAt + this.#jwtTtlMs };
    const svids = wanted.map(async ({ spiffeId, hint }) => {
      return { spiffe_id: spiffeId, svid: await issueJwtSvid(active.jwt, { spiffeId, ...claims }), hint };
    });
    return { svids: await Promise.all(svids) };
  }

  async #validateJwtSvid(request: ValidateJWTSVIDRequest): Promise<ValidateJWTSVIDResponse> {
    if (request.audience === '') throw new CallStatus(status.INVALID_ARGUMENT, 'the audience is missing');
    const keysOf = (trustDomain: TrustDomain) => jwksOf(this.#state, trustDomain);
    const { spiffeId, claims } = await validateJwtSvid(request.svid, request.audience, keysOf, this.#clock.now());
    return { spiffe_id: spiffeId, claims: toStruct(claims) };
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
  stream.call.write(bytes);
}

/** Messages written before still arrive; then the status. */
function end(call: Call, reason: CallStatus): void {
  call.emit('error', reason);
}
