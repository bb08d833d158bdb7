/** A raw SDS client over a real socket: it sends what a test says, right or wrong, and hands over what comes. */
import { EventEmitter, once } from 'node:events';
import { Client, type ClientDuplexStream, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
  Secret,
} from '../../../src/gen/messages.ts';
import { SECRET_TYPE_URL } from '../../../src/secrets/secret.ts';
import { decode, type Input, method } from '../../../src/wire/wire.ts';

const SDS = 'envoy.service.secret.v3.SecretDiscoveryService';
const ADS = 'envoy.service.discovery.v3.AggregatedDiscoveryService';

export class SdsClient implements Disposable {
  readonly #client: Client;
  readonly #calls = new Set<{ cancel(): void }>();

  constructor(socket: string) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  }

  /** @param metadata of the call */
  stream(metadata: Readonly<Record<string, string>> = {}): SdsStream {
    return new SdsStream(this.#open(SDS, 'StreamSecrets', metadata));
  }

  delta(): DeltaStream {
    return new DeltaStream(this.#open(SDS, 'DeltaSecrets'));
  }

  /** StreamAggregatedResources: requests are for secrets unless they say another type. */
  aggregated(): SdsStream {
    return new SdsStream(this.#open(ADS, 'StreamAggregatedResources'));
  }

  /** DeltaAggregatedResources. */
  aggregatedDelta(): DeltaStream {
    return new DeltaStream(this.#open(ADS, 'DeltaAggregatedResources'));
  }

  /** @throws ServiceError */
  fetch(names: readonly string[], more: Input<DiscoveryRequest> = {}): Promise<DiscoveryResponse> {
    const { path, requestSerialize, responseDeserialize } = method<Input<DiscoveryRequest>, DiscoveryResponse>(
      SDS,
      'FetchSecrets',
    );
    const request = { type_url: SECRET_TYPE_URL, resource_names: names, ...more };
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) =>
        error === null ? resolve(response as DiscoveryResponse) : reject(error),
      );
    });
  }

  [Symbol.dispose](): void {
    // A channel with calls on it keeps its connection.
    for (const call of this.#calls) call.cancel();
    this.#client.close();
  }

  #open<Request, Response>(
    service: string,
    name: string,
    metadata: Readonly<Record<string, string>> = {},
  ): ClientDuplexStream<Request, Response> {
    const { path, requestSerialize, responseDeserialize } = method<Request, Response>(service, name);
    const call = this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadataOf(metadata));
    this.#calls.add(call);
    return call;
  }
}

/** What the streams of both protocols have in common. */
class DiscoveryStream<Request, Response> {
  readonly #call: ClientDuplexStream<Request, Response>;
  readonly #news = new EventEmitter();
  readonly #received: Response[] = [];
  #end: { readonly code: string; readonly details: string } | undefined;

  constructor(call: ClientDuplexStream<Request, Response>) {
    this.#call = call;
    call.on('data', (response: Response) => {
      this.#received.push(response);
      this.#news.emit('news');
    });
    call.on('end', () => undefined);
    call.on('error', (error: ServiceError) => this.#ended(error.code, error.details));
    call.on('status', ({ code, details }) => this.#ended(code, details));
  }

  /** Responses that came and were not taken by `next`. */
  get waiting(): number {
    return this.#received.length;
  }

  /** Whether the server has not ended it. */
  get open(): boolean {
    return this.#end === undefined;
  }

  /** The next response, not answered. */
  async next(): Promise<Response> {
    while (this.#received.length === 0) {
      if (this.#end !== undefined) throw new Error(`the stream ended: ${this.#end.code}: ${this.#end.details}`);
      await once(this.#news, 'news');
    }
    return this.#received.shift() as Response;
  }

  /** How the server ended the stream. */
  async ended(): Promise<{ readonly code: string; readonly details: string }> {
    while (this.#end === undefined) await once(this.#news, 'news');
    return this.#end;
  }

  pause(): void {
    this.#call.pause();
  }

  resume(): void {
    this.#call.resume();
  }

  close(): void {
    this.#call.end();
  }

  cancel(): void {
    this.#call.cancel();
  }

  protected write(request: Request): this {
    this.#call.write(request);
    return this;
  }

  #ended(code: status, details: string): void {
    this.#end ??= { code: status[code], details };
    this.#news.emit('news');
  }
}

/** State of the world. */
export class SdsStream extends DiscoveryStream<Input<DiscoveryRequest>, DiscoveryResponse> {
  #names: readonly string[] = [];
  #accepted = '';

  request(names: readonly string[], more: Input<DiscoveryRequest> = {}): this {
    this.#names = names;
    return this.write({ type_url: SECRET_TYPE_URL, resource_names: names, ...more });
  }

  /** The secrets of the next response, which is acknowledged. */
  async secrets(): Promise<readonly Secret[]> {
    return secretsOf(await this.accept());
  }

  /** The next response, acknowledged. */
  async accept(): Promise<DiscoveryResponse> {
    const response = await this.next();
    this.ack(response);
    return response;
  }

  ack({ version_info, nonce }: DiscoveryResponse): this {
    this.#accepted = version_info;
    return this.request(this.#names, { version_info, response_nonce: nonce });
  }

  /** Like Envoy, it says the version that it accepted last. */
  nack({ nonce }: DiscoveryResponse, message: string): this {
    return this.request(this.#names, { version_info: this.#accepted, response_nonce: nonce, error_detail: rejection(message) });
  }
}

export class DeltaStream extends DiscoveryStream<Input<DeltaDiscoveryRequest>, DeltaDiscoveryResponse> {
  request(request: Input<DeltaDiscoveryRequest>): this {
    return this.write({ type_url: SECRET_TYPE_URL, ...request });
  }

  subscribe(...names: readonly string[]): this {
    return this.request({ resource_names_subscribe: names });
  }

  unsubscribe(...names: readonly string[]): this {
    return this.request({ resource_names_unsubscribe: names });
  }

  /** The next response, acknowledged. */
  async accept(): Promise<DeltaDiscoveryResponse> {
    const response = await this.next();
    this.ack(response);
    return response;
  }

  ack({ nonce }: DeltaDiscoveryResponse): this {
    return this.request({ response_nonce: nonce });
  }

  nack({ nonce }: DeltaDiscoveryResponse, message: string): this {
    return this.request({ response_nonce: nonce, error_detail: rejection(message) });
  }
}

function metadataOf(entries: Readonly<Record<string, string>>): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries)) metadata.set(key, value);
  return metadata;
}

export function secretsOf({ resources }: DiscoveryResponse): readonly Secret[] {
  return resources.map(({ value }) => decode('envoy.extensions.transport_sockets.tls.v3.Secret', value));
}

function rejection(message: string): { readonly code: number; readonly message: string } {
  return { code: status.INTERNAL, message };
}
