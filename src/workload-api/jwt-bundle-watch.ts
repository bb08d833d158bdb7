/**
 * Watches the JWT keys of all trust domains (SPIFFE Workload API specification, section 6.2.2). A trust domain that the newest message does
 * not list is withdrawn at once.
 */
import { status } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import { messageOf } from '../error.ts';
import type { EventListener } from '../events.ts';
import type { JWTBundlesResponse } from '../gen/messages.ts';
import { type JwtBundle, jwksOf, type PublishedJwks, readJwtBundle } from '../spiffe/jwt/jwt-bundle.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import { type Loss, StreamWatch } from './stream-watch.ts';
import type { WorkloadApi } from './workload-api.ts';

/** The dependencies of a `JwtBundleWatch`. */
export interface JwtBundleWatchOptions {
  readonly api: Pick<WorkloadApi, 'fetchJwtBundles' | 'verdictOf'>;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Whether PermissionDenied withdraws the received keys. */
  readonly onPermissionDenied: () => 'withdraw' | 'keep';
  readonly events: EventListener;
}

const GONE = 'the Workload API no longer lists it';
const UNIMPLEMENTED = 'this Workload API has none';

/** Holds the newest JWT keys. It opens its stream at the first call of `known`. */
export class JwtBundleWatch {
  readonly #options: JwtBundleWatchOptions;
  readonly #watch: StreamWatch<JWTBundlesResponse>;
  #published: ReadonlyMap<TrustDomain, PublishedJwks> = new Map();
  readonly #known = Promise.withResolvers<void>();

  constructor(options: JwtBundleWatchOptions) {
    this.#options = options;
    const { api, clock, random } = options;
    this.#watch = new StreamWatch({
      fetch: api.fetchJwtBundles,
      verdictOf: api.verdictOf,
      clock,
      random,
      onConnected: () => undefined,
      onMessage: (response) => this.#received(response),
      onLost: (loss) => this.#lost(loss),
    });
  }

  stop(): void {
    this.#watch.stop();
  }

  /** Opens the stream if necessary, and resolves when the Workload API has sent keys or refused them. */
  known(): Promise<void> {
    this.#watch.start();
    return this.#known.promise;
  }

  /** The keys of a trust domain; undefined when there are none. */
  of(trustDomain: string): PublishedJwks | undefined {
    return this.#published.get(trustDomain as TrustDomain);
  }

  #received({ bundles }: JWTBundlesResponse): void {
    const { events } = this.#options;
    const read = new Map<TrustDomain, JwtBundle>();
    for (const [name, document] of Object.entries(bundles)) {
      try {
        const trustDomain = parseTrustDomain(name);
        const { bundle, unusable } = readJwtBundle(trustDomain, document);
        for (const { key, reason } of unusable) events({ type: 'jwt_key_left_out', trustDomain, key, reason });
        read.set(trustDomain, bundle);
      } catch (error) {
        events({ type: 'jwt_bundle_left_out', trustDomain: name, reason: messageOf(error) });
      }
    }
    this.#publish([...read.values()], GONE);
  }

  #lost({ code, details, verdict, retryInMs }: Loss): void {
    const { events, onPermissionDenied } = this.#options;
    const isDenied = verdict.identities === 'withdraw';
    const isOver = verdict.next === 'stop';
    // The stream of the X.509 identities reports connection problems.
    if (!isDenied && !isOver) return;
    const meaning = code === status.UNIMPLEMENTED ? UNIMPLEMENTED : verdict.meaning;
    events({ type: 'jwt_bundles_refused', code: status[code], details, meaning, retried: retryInMs !== undefined });
    if (isOver || onPermissionDenied() === 'withdraw') this.#publish([], meaning);
    else this.#known.resolve();
  }

  #publish(bundles: readonly JwtBundle[], reason: string): void {
    const { events, clock } = this.#options;
    const before = this.#published;
    this.#published = new Map(
      bundles.map((bundle) => {
        const { trustDomain, refreshHintMs } = bundle;
        const document = jwksOf(bundle);
        const known = before.get(trustDomain);
        const isNew = known?.document !== document;
        if (isNew) events({ type: 'jwt_bundle_updated', trustDomain, keys: bundle.keys.length });
        const since = isNew ? clock.now() : known.since;
        return [trustDomain, { document, since, ...(refreshHintMs !== undefined && { refreshHintMs }) }];
      }),
    );
    for (const trustDomain of before.keys())
      if (!this.#published.has(trustDomain)) events({ type: 'jwt_bundle_withdrawn', trustDomain, reason });
    this.#known.resolve();
  }
}
