/** The secret discovery service: the newest secrets, and the streams that hear of them. */
import type { MethodDefinition, ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { status } from '@grpc/grpc-js';
import type { DiscoveryRequest } from '../gen/messages.ts';
import type { SecretSet } from '../secrets/secret-set.ts';
import { method } from '../wire.ts';
import { Delivery } from './delivery.ts';
import { SotwStream, type StreamContext } from './sotw-stream.ts';

const SERVICE = 'envoy.service.secret.v3.SecretDiscoveryService';

export class SdsService {
  readonly #delivery = new Delivery();
  readonly #streams = new Set<SotwStream>();
  readonly #context: StreamContext;
  #secrets: SecretSet;
  #opened = 0;
  #draining = false;

  constructor(secrets: SecretSet, context: Omit<StreamContext, 'secrets'>) {
    this.#secrets = secrets;
    this.#context = { ...context, secrets: () => this.#secrets };
  }

  /** Makes these the secrets that are served and tells every stream that subscribed to one that changed. */
  update(secrets: SecretSet): void {
    this.#secrets = secrets;
    this.#delivery.announce();
  }

  get secrets(): SecretSet {
    return this.#secrets;
  }

  get streams(): number {
    return this.#streams.size;
  }

  /** Ends every stream, and each that comes later: clients are to connect elsewhere, or again. */
  drain(): void {
    this.#draining = true;
    for (const stream of this.#streams) stream.end(status.UNAVAILABLE, 'spiffe-sds is shutting down');
  }

  /** Responses are handed to grpc-js as bytes. */
  get definition(): ServiceDefinition {
    const stream = method<DiscoveryRequest, unknown>(SERVICE, 'StreamSecrets');
    const bytes: MethodDefinition<DiscoveryRequest, Buffer> = {
      ...stream,
      responseSerialize: (response) => response,
      responseDeserialize: (response) => response,
    };
    return { StreamSecrets: bytes };
  }

  get implementation(): UntypedServiceImplementation {
    return { StreamSecrets: (call: ServerDuplexStream<DiscoveryRequest, Buffer>) => this.#open(call) };
  }

  #open(call: ServerDuplexStream<DiscoveryRequest, Buffer>): void {
    const stream = new SotwStream(call, ++this.#opened, this.#context);
    this.#streams.add(stream);
    this.#delivery.add(stream);
    let open = true;
    const close = (reason: string) => {
      if (!open) return;
      open = false;
      this.#streams.delete(stream);
      this.#delivery.remove(stream);
      stream.closed(reason);
    };
    call.on('end', () => {
      close('the client ended it');
      call.end();
    });
    call.on('cancelled', () => close('the client cancelled it or its connection closed'));
    call.on('error', (error: Error & { details?: string }) => close(error.details ?? error.message));
    if (this.#draining) stream.end(status.UNAVAILABLE, 'spiffe-sds is shutting down');
  }
}
