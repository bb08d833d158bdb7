/** The secret discovery service: the newest secrets, and the streams that hear of them. */
import {
  type MethodDefinition,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceDefinition,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import type { EventListener, Peer } from '../events.ts';
import type { DeltaDiscoveryRequest, DiscoveryRequest } from '../gen/messages.ts';
import type { SecretsUpdate } from '../secrets/publisher.ts';
import { SECRET_TYPE_URL, versionOf } from '../secrets/secret.ts';
import { NO_SECRETS, type SecretSet } from '../secrets/secret-set.ts';
import { stageBundles } from '../secrets/staged-set.ts';
import type { GrpcService } from '../server/grpc-server.ts';
import { method } from '../wire/wire.ts';
import { Delivery } from './delivery/delivery.ts';
import { Rollout } from './delivery/rollout.ts';
import { Settlement } from './delivery/settlement.ts';
import { fetchSecrets } from './fetch.ts';
import { Backlog } from './protocol/backlog.ts';
import { withShortNames } from './protocol/long-name.ts';
import { DELTA, type Protocol, type RequestMessage, type Sent, SOTW } from './protocol/protocol.ts';
import { Rejections } from './protocol/rejections.ts';
import { encodeFetch } from './protocol/response.ts';
import { formFor } from './stream/node.ts';
import { RefusedDomains } from './stream/refused-domains.ts';
import { cut, type OtherTypes, SecretStream, type StreamContext, type StreamSettings } from './stream/secret-stream.ts';
import type { Totals } from './stream/stream-record.ts';
import type { StreamStatus } from './stream/stream-status.ts';

export const SDS = 'envoy.service.secret.v3.SecretDiscoveryService';
const ADS = 'envoy.service.discovery.v3.AggregatedDiscoveryService';
const SHUTTING_DOWN = 'spiffe-sds is shutting down';

export interface SdsSettings extends StreamSettings {
  /** How long certificates wait for streams to take a new bundle. */
  readonly bundleAckTimeoutMs: number;
}

export interface SdsOptions {
  readonly events: EventListener;
  readonly clock: Clock;
  /** Who is at the other end of a call, by what grpc-js says of it. */
  readonly peerOf: (address: string) => Peer;
}

type Call<Message> = ServerDuplexStream<Message, Buffer>;

export class SdsService {
  readonly #options: SdsOptions;
  #settings: SdsSettings;
  readonly #context: StreamContext;
  readonly #delivery = new Delivery();
  readonly #streams = new Set<{ readonly status: StreamStatus }>();
  readonly #rejections = new Rejections();
  readonly #refused = new RefusedDomains();
  readonly #totals: Totals = { subscriptions: 0, held: 0 };
  #secrets = NO_SECRETS;
  /** The number of the newest. */
  #update = 0;
  #rollout: Rollout | undefined;
  #settlement: Settlement | undefined;
  #opened = 0;
  #draining = false;

  constructor(settings: SdsSettings, options: SdsOptions) {
    this.#settings = settings;
    this.#options = options;
    this.#context = {
      ...options,
      settings: () => this.#settings,
      rejections: this.#rejections,
      refused: this.#refused,
      backlog: new Backlog(),
      onRefused: () => this.#delivery.announce(),
      secrets: () => this.#secrets,
      update: () => this.#update,
      onAnswer: (subscriber) => this.#rollout?.settle(subscriber, false),
      onSettled: (subscriber) => this.#settlement?.settle(subscriber),
      totals: this.#totals,
    };
  }

  get secrets(): SecretSet {
    return this.#secrets;
  }

  get streams(): number {
    return this.#delivery.size;
  }

  get totals(): Readonly<Totals> {
    return this.#totals;
  }

  /** What each open stream came to, one at a time: with many, whoever reads them lets others run in between. */
  *status(): Generator<StreamStatus> {
    for (const { status } of this.#streams) yield status;
  }

  /** Makes these the secrets that are served and tells every stream that subscribed to one that changed. */
  update({ secrets, cause, bundleFirst }: SecretsUpdate): void {
    const waits = bundleFirst || (this.#rollout !== undefined && secrets.ids.length > 0);
    // Counted from the first certificate that waits: whatever comes meanwhile, it waits no longer.
    const deadline = this.#rollout?.deadline ?? this.#options.clock.monotonic() + this.#settings.bundleAckTimeoutMs;
    this.#rollout?.cancel();
    this.#rollout = undefined;
    this.#settlement = undefined;
    this.#rejections.retain(secrets);
    this.#refused.retain(secrets.contentOf);
    this.#update += 1;
    this.#options.events({ type: 'secrets_updated', update: this.#update, cause, names: secrets.names.length });
    if (waits) this.#rollOut(secrets, deadline);
    else this.#serve(secrets);
  }

  /** Open streams see at once what that changes for them. */
  configure(settings: SdsSettings): void {
    this.#settings = settings;
    this.#delivery.announce();
  }

  /** Ends every stream, and each that comes later: clients are to connect elsewhere, or again. */
  drain(): void {
    this.#draining = true;
    this.#rollout?.cancel();
    for (const stream of this.#delivery) stream.end(status.UNAVAILABLE, SHUTTING_DOWN);
  }

  /** The two services, by what each method does. Responses are handed to grpc-js as bytes. */
  get grpc(): readonly GrpcService[] {
    const drain = () => this.drain();
    const sds = {
      StreamSecrets: (call: Call<DiscoveryRequest>) => this.#open(call, SOTW, 'refuse'),
      DeltaSecrets: (call: Call<DeltaDiscoveryRequest>) => this.#open(call, DELTA, 'refuse'),
      FetchSecrets: (call: ServerUnaryCall<DiscoveryRequest, Buffer>, reply: sendUnaryData<Buffer>) => this.#fetch(call, reply),
    };
    const ads = {
      StreamAggregatedResources: (call: Call<DiscoveryRequest>) => this.#open(call, SOTW, 'ignore'),
      DeltaAggregatedResources: (call: Call<DeltaDiscoveryRequest>) => this.#open(call, DELTA, 'ignore'),
    };
    return [
      { definition: bytesDefinition(SDS, sds), implementation: sds, drain },
      { definition: bytesDefinition(ADS, ads), implementation: ads, drain },
    ];
  }

  #serve(secrets: SecretSet): void {
    const update = this.#update;
    this.#secrets = secrets;
    this.#settlement = new Settlement(this.#delivery, () => this.#options.events({ type: 'update_settled', update }));
    this.#delivery.announce();
  }

  #rollOut(secrets: SecretSet, deadline: number): void {
    const { clock, events } = this.#options;
    this.#secrets = stageBundles(this.#secrets, secrets);
    const rollout = new Rollout(this.#delivery, clock, deadline, (late) => {
      this.#rollout = undefined;
      events({ type: 'bundle_rolled_out', late });
      this.#serve(secrets);
    });
    if (rollout.waiting === 0) {
      rollout.cancel();
      this.#serve(secrets);
    } else {
      this.#rollout = rollout;
      events({ type: 'bundle_rollout', waiting: rollout.waiting });
      this.#delivery.announce();
    }
  }

  #open<Message extends RequestMessage, State, Response extends Sent>(
    call: Call<Message>,
    protocol: Protocol<Message, State, Response>,
    otherTypes: OtherTypes,
  ): void {
    const identity = { stream: ++this.#opened, peer: this.#options.peerOf(call.getPeer()) };
    const stream = new SecretStream(call, identity, protocol, otherTypes, this.#context);
    this.#delivery.add(stream);
    this.#streams.add(stream);
    let open = true;
    const close = (reason: string) => {
      if (!open) return;
      open = false;
      this.#delivery.remove(stream);
      this.#streams.delete(stream);
      stream.closed(reason);
      this.#rollout?.settle(stream, true);
      this.#settlement?.settle(stream);
    };
    call.on('end', () => {
      close('the client ended it');
      call.end();
    });
    call.on('cancelled', () => close('the client cancelled it or its connection closed'));
    call.on('error', (error: Error & { details?: string }) => close(error.details ?? error.message));
    if (this.#draining) stream.end(status.UNAVAILABLE, SHUTTING_DOWN);
  }

  #fetch(call: ServerUnaryCall<DiscoveryRequest, Buffer>, reply: sendUnaryData<Buffer>): void {
    const { request } = call;
    const { validation, answerEmptyRequest, onDemand, maxNames } = this.#settings;
    const count = request.resource_names.length;
    if (request.type_url !== '' && request.type_url !== SECRET_TYPE_URL) {
      reply({ code: status.INVALID_ARGUMENT, details: `this method serves ${SECRET_TYPE_URL} only` });
      return;
    }
    if (count > maxNames) {
      reply({
        code: status.RESOURCE_EXHAUSTED,
        details: `the request asks for ${count} names, the limit is ${maxNames} (sds.limits.names_per_stream)`,
      });
      return;
    }
    const form = formFor(request.node) ?? validation;
    const { ids, complete, get } = this.#secrets;
    const view = { everything: ids, complete, onDemand, get: (name: string) => get(name, form) };
    const fetched = fetchSecrets(request.resource_names, view, answerEmptyRequest);
    if (fetched.kind !== 'secrets') {
      reply(fetched);
      return;
    }
    reply(null, encodeFetch(fetched.secrets));
    const { events, peerOf } = this.#options;
    const node = cut(request.node?.id ?? '');
    events({ type: 'secrets_fetched', secrets: fetched.secrets.map(versionOf), node, peer: peerOf(call.getPeer()) });
  }
}

function bytesDefinition(service: string, methods: UntypedServiceImplementation): ServiceDefinition {
  const asBytes = (name: string): MethodDefinition<unknown, Buffer> => {
    const { requestDeserialize, ...rest } = method<DiscoveryRequest | DeltaDiscoveryRequest, Buffer>(service, name);
    return {
      ...rest,
      requestSerialize: rest.requestSerialize as (request: unknown) => Buffer,
      requestDeserialize: (bytes) => withShortNames(requestDeserialize(bytes)),
      responseSerialize: (response) => response,
    };
  };
  return Object.fromEntries(Object.keys(methods).map((name) => [name, asBytes(name)]));
}
