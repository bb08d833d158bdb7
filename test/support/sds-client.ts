/** A raw SDS client over a real socket: it sends what a test says, right or wrong, and hands over what comes. */
import { EventEmitter, once } from 'node:events';
import { Client, type ClientDuplexStream, credentials, type ServiceError, status } from '@grpc/grpc-js';
import type { DiscoveryRequest, DiscoveryResponse, Secret } from '../../src/gen/messages.ts';
import { SECRET_TYPE_URL } from '../../src/secrets/secret.ts';
import { decode, type Input, method } from '../../src/wire.ts';

const SERVICE = 'envoy.service.secret.v3.SecretDiscoveryService';

export class SdsClient implements Disposable {
  readonly #client: Client;

  constructor(socket: string) {
    this.#client = new Client(`unix:${socket}`, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  }

  stream(): SdsStream {
    const { path, requestSerialize, responseDeserialize } = method<Input<DiscoveryRequest>, DiscoveryResponse>(
      SERVICE,
      'StreamSecrets',
    );
    return new SdsStream(this.#client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize));
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

export class SdsStream {
  readonly #call: ClientDuplexStream<Input<DiscoveryRequest>, DiscoveryResponse>;
  readonly #news = new EventEmitter();
  readonly #received: DiscoveryResponse[] = [];
  #names: readonly string[] = [];
  #end: { readonly code: string; readonly details: string } | undefined;

  constructor(call: ClientDuplexStream<Input<DiscoveryRequest>, DiscoveryResponse>) {
    this.#call = call;
    call.on('data', (response: DiscoveryResponse) => {
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

  request(names: readonly string[], more: Input<DiscoveryRequest> = {}): this {
    this.#names = names;
    this.#call.write({ type_url: SECRET_TYPE_URL, resource_names: names, ...more });
    return this;
  }

  /** The next response, not answered. */
  async next(): Promise<DiscoveryResponse> {
    while (this.#received.length === 0) {
      if (this.#end !== undefined) throw new Error(`the stream ended: ${this.#end.code}: ${this.#end.details}`);
      await once(this.#news, 'news');
    }
    return this.#received.shift() as DiscoveryResponse;
  }

  /** The secrets of the next response, which is acknowledged. */
  async secrets(): Promise<readonly Secret[]> {
    const response = await this.next();
    this.ack(response);
    return secretsOf(response);
  }

  ack({ version_info, nonce }: DiscoveryResponse): this {
    return this.request(this.#names, { version_info, response_nonce: nonce });
  }

  nack({ nonce }: DiscoveryResponse, message: string): this {
    return this.request(this.#names, { response_nonce: nonce, error_detail: { code: status.INTERNAL, message } });
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

  #ended(code: status, details: string): void {
    this.#end ??= { code: status[code], details };
    this.#news.emit('news');
  }
}

export function secretsOf({ resources }: DiscoveryResponse): readonly Secret[] {
  return resources.map(({ value }) => decode('envoy.extensions.transport_sockets.tls.v3.Secret', value));
}
