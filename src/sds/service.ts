/** The secret discovery service: the newest secrets, and the streams that get them. */
import type { IncomingHttpHeaders } from 'node:http2';
import { EVERYTHING } from '../access/access-rules.ts';
import type { Clock } from '../clock.ts';
import type { EventListener } from '../events.ts';
import type { DiscoveryRequest } from '../gen/messages.ts';
import type { SecretsUpdate } from '../secrets/publisher.ts';
import { SECRET_TYPE_URL, type Secret, versionOf } from '../secrets/secret.ts';
import { NO_SECRETS, type SecretSet } from '../secrets/secret-set.ts';
import { stageBundles } from '../secrets/staged-set.ts';
import type { Call, CallHandler, Method } from '../server/grpc/call.ts';
import type { GrpcService } from '../server/grpc/grpc-server.ts';
import { unary } from '../server/grpc/methods.ts';
import { type Failure, Status } from '../server/grpc/status.ts';
import type { Frame } from '../wire/frame.ts';
import { Delivery } from './delivery/delivery.ts';
import { Rollout, type RolloutOptions } from './delivery/rollout.ts';
import { Settlement } from './delivery/settlement.ts';
import { fetchSecrets } from './fetch.ts';
import { StreamNumbers } from './numbers.ts';
import { Backlog } from './protocol/backlog.ts';
import { nameBudget } from './protocol/name-bytes.ts';
import { DELTA, type Protocol, type RequestMessage, type Sent, SOTW } from './protocol/protocol.ts';
import { Rejections } from './protocol/rejections.ts';
import { encodeFetch, wipeResponses } from './protocol/response.ts';
import { sharedSteps } from './protocol/shared-steps.ts';
import { formFor } from './stream/node.ts';
import { RefusedDomains } from './stream/refused-domains.ts';
import { cut, SecretStream } from './stream/secret-stream.ts';
import type { OtherTypes, StreamContext, StreamSettings } from './stream/stream-context.ts';
import type { Totals } from './stream/stream-record.ts';
import type { StreamStatus } from './stream/stream-status.ts';
import { Views } from './stream/views.ts';

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
  /** Default: its own. */
  readonly numbers?: StreamNumbers;
}

/** How long FetchSecrets waits for a secret that it made the sidecar ask the Workload API for. */
const FETCH_PATIENCE_MS = 5_000;

/** The two services: secret discovery, and aggregated discovery, which carries all types. */
export class SdsService implements GrpcService {
  readonly methods: Readonly<Record<string, Method>> = {
    [`/${SDS}/StreamSecrets`]: (call, headers) => this.#open(call, headers, this.#sotw, 'refuse'),
    [`/${SDS}/DeltaSecrets`]: (call, headers) => this.#open(call, headers, this.#delta, 'refuse'),
    [`/${SDS}/FetchSecrets`]: unary({ decode: SOTW.decode, answer: (request, call) => this.#fetch(request, call) }),
    [`/${ADS}/StreamAggregatedResources`]: (call, headers) => this.#open(call, headers, this.#sotw, 'ignore'),
    [`/${ADS}/DeltaAggregatedResources`]: (call, headers) => this.#open(call, headers, this.#delta, 'ignore'),
  };
  readonly #sotw = sharedSteps(SOTW);
  readonly #delta = sharedSteps(DELTA);
  readonly #views: Views;
  readonly #options: SdsOptions;
  #settings: SdsSettings;
  readonly #context: StreamContext;
  readonly #delivery = new Delivery();
  readonly #streams = new Set<{ readonly status: StreamStatus }>();
  readonly #rejections = new Rejections();
  readonly #refused = new RefusedDomains();
  readonly #totals: Totals = { subscriptions: 0, held: 0 };
  #secrets = NO_SECRETS;
  /** The number of the newest update. */
  #update = 0;
  #rollout: Rollout | undefined;
  #settlement: Settlement | undefined;
  readonly #numbers: StreamNumbers;
  /** Calls of FetchSecrets that wait for the next secrets. */
  readonly #fetching = new Set<() => void>();
  /** What streams are told that come too late; undefined while it serves. */
  #draining: string | undefined;

  constructor(settings: SdsSettings, options: SdsOptions) {
    this.#settings = settings;
    this.#options = options;
    this.#numbers = options.numbers ?? new StreamNumbers();
    this.#views = new Views(settings.onDemand);
    this.#context = {
      ...options,
      settings: () => this.#settings,
      rejections: this.#rejections,
      refused: this.#refused,
      backlog: new Backlog(),
      names: nameBudget(),
      onRefused: () => this.#delivery.announce(),
      secrets: () => this.#secrets,
      views: this.#views,
      update: () => this.#update,
      onAnswer: (subscriber) => this.#rollout?.settle(subscriber, false),
      onSettled: (subscriber) => this.#settlement?.settle(subscriber),
      onClosed: (stream) => {
        this.#delivery.remove(stream);
        this.#streams.delete(stream);
        this.#rollout?.settle(stream, true);
        this.#settlement?.settle(stream);
      },
      totals: this.#totals,
      responseInfos: new WeakMap(),
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

  /** Overwrites the responses with these secrets, of which nobody may be sent any more: all streams have ended. */
  wipe(secrets: Iterable<Secret>): void {
    for (const secret of secrets) wipeResponses(secret);
  }

  /** The state of each open stream, one at a time, so that a reader of ten thousand can let others run in between. */
  *status(): Generator<StreamStatus> {
    for (const { status } of this.#streams) yield status;
  }

  /** Serves these secrets from now on, and sends them to every stream that subscribed to one that changed. */
  update({ secrets, cause, bundleFirst }: SecretsUpdate): void {
    const waits = bundleFirst || (this.#rollout !== undefined && secrets.ids.length > 0);
    // Counted from the first certificate that waits: a later update does not make it wait longer.
    const deadline = this.#rollout?.deadline ?? this.#options.clock.monotonic() + this.#settings.bundleAckTimeoutMs;
    const answeredAt = this.#rollout?.answeredAt;
    this.#rollout?.cancel();
    this.#rollout = undefined;
    this.#settlement = undefined;
    this.#rejections.retain(secrets);
    this.#refused.retain(secrets.contentOf);
    this.#update = this.#numbers.nextUpdate();
    this.#options.events({ type: 'secrets_updated', update: this.#update, cause, names: secrets.names.length });
    if (waits) this.#rollOut(secrets, { deadline, answeredAt });
    else this.#serve(secrets);
  }

  /** Takes effect on open streams at once. */
  configure(settings: SdsSettings): void {
    this.#settings = settings;
    this.#show(this.#secrets);
    this.#delivery.announce();
  }

  /**
   * Ends every stream, and each that comes later: clients are to connect elsewhere, or again.
   * @param why what they are told
   */
  drain(why: string = SHUTTING_DOWN): void {
    this.#draining = why;
    this.#rollout?.cancel();
    for (const goOn of [...this.#fetching]) goOn();
    for (const stream of this.#delivery) stream.end(Status.UNAVAILABLE, why);
  }

  #serve(secrets: SecretSet): void {
    const update = this.#update;
    this.#show(secrets);
    this.#settlement = new Settlement(this.#delivery, () => this.#options.events({ type: 'update_settled', update }));
    this.#delivery.announce();
    for (const goOn of [...this.#fetching]) goOn();
  }

  /** Streams see these secrets from now on. */
  #show(secrets: SecretSet): void {
    this.#secrets = secrets;
    this.#views.update(secrets, this.#settings.onDemand);
    this.#sotw.forget();
    this.#delta.forget();
  }

  #rollOut(secrets: SecretSet, options: RolloutOptions): void {
    const { clock, events } = this.#options;
    this.#show(stageBundles(this.#secrets, secrets));
    const rollout = new Rollout(this.#delivery, clock, options, (late) => {
      this.#rollout = undefined;
      events({ type: 'bundle_rolled_out', late });
      this.#serve(secrets);
    });
    if (rollout.isOver) {
      this.#serve(secrets);
    } else {
      this.#rollout = rollout;
      events({ type: 'bundle_rollout', waiting: rollout.waiting });
      this.#delivery.announce();
    }
  }

  #open<Message extends RequestMessage, State, Response extends Sent>(
    call: Call,
    { traceparent }: IncomingHttpHeaders,
    protocol: Protocol<Message, State, Response>,
    otherTypes: OtherTypes,
  ): CallHandler {
    const identity = {
      stream: this.#numbers.nextStream(),
      traceparent: typeof traceparent === 'string' ? traceparent : undefined,
    };
    const stream = new SecretStream(call, identity, protocol, otherTypes, this.#context);
    this.#delivery.add(stream);
    this.#streams.add(stream);
    if (this.#draining !== undefined) stream.end(Status.UNAVAILABLE, this.#draining);
    return stream;
  }

  /** Resolves when there are other secrets, the service drains, or `ms` milliseconds are over. */
  #news(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const goOn = () => {
        forget();
        this.#fetching.delete(goOn);
        resolve();
      };
      const forget = this.#options.clock.after(ms, goOn);
      this.#fetching.add(goOn);
    });
  }

  #fetch(
    request: DiscoveryRequest,
    call: Call,
    deadline = this.#options.clock.monotonic() + FETCH_PATIENCE_MS,
  ): Frame | Failure | Promise<Frame | Failure> {
    const { validation, answerEmptyRequest, maxNames, access } = this.#settings;
    const node = cut(request.node?.id ?? '');
    const judgement = access?.judge(call.peer, { id: request.node?.id ?? '', cluster: request.node?.cluster ?? '' });
    if (judgement?.kind === 'refused') {
      const { rule, reason } = judgement;
      this.#options.events({ type: 'access_denied', peer: call.peer, node, reason, ...(rule !== undefined && { rule }) });
      return { code: Status.PERMISSION_DENIED, details: 'sds.allow gives this peer nothing' };
    }
    const count = request.resource_names.length;
    if (request.type_url !== '' && request.type_url !== SECRET_TYPE_URL) {
      return { code: Status.INVALID_ARGUMENT, details: `this method serves ${SECRET_TYPE_URL} only` };
    }
    if (count > maxNames) {
      return {
        code: Status.RESOURCE_EXHAUSTED,
        details: `the request asks for ${count} names, the limit is ${maxNames} (sds.limits.names_per_stream)`,
      };
    }
    const form = formFor(request.node) ?? validation;
    const view = this.#views.of(form, judgement ?? EVERYTHING);
    const fetched = fetchSecrets(request.resource_names, view, answerEmptyRequest, this.#secrets.ids.length > 0);
    if (fetched.kind !== 'secrets') {
      const isLate = request.resource_names.some((name) => view.get(name) === undefined && view.pending(name));
      const left = deadline - this.#options.clock.monotonic();
      if (!isLate || left <= 0 || this.#draining !== undefined) return fetched;
      return this.#news(left).then(() => this.#fetch(request, call, deadline));
    }
    this.#options.events({ type: 'secrets_fetched', secrets: fetched.secrets.map(versionOf), node, peer: call.peer });
    return encodeFetch(fetched.secrets);
  }
}
