/**
 * Watches the keys with which JWT-SVIDs are verified, of all trust domains. SPIFFE Workload API specification, section 6.2.2. What a peer
 * can be verified with is never guessed: a trust domain that is not listed any more is gone.
 */
import { status } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import { messageOf } from '../error.ts';
import type { EventListener } from '../events.ts';
import type { JWTBundlesResponse } from '../gen/messages.ts';
import { type JwtBundle, jwksOf, type PublishedJwks, readJwtBundle } from '../spiffe/jwt/jwt-bundle.ts';
import { parseTrustDomain, type TrustDomain } from '../spiffe/spiffe-id.ts';
import type { Fetch } from './client.ts';
import { type Loss, StreamWatch } from './stream-watch.ts';

export interface JwtBundleWatchOptions {
  readonly fetch: Fetch<JWTBundlesResponse>;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** What PermissionDenied means for what was received before. */
  readonly onPermissionDenied: () => 'withdraw' | 'keep';
  readonly events: EventListener;
}

const GONE = 'the Workload API no longer lists it';
const UNIMPLEMENTED = 'this Workload API has none';

export class JwtBundleWatch {
  readonly #options: JwtBundleWatchOptions;
  readonly #watch: StreamWatch<JWTBundlesResponse>;
  #published: ReadonlyMap<TrustDomain, PublishedJwks> = new Map();
  readonly #known = Promise.withResolvers<void>();

  constructor(options: JwtBundleWatchOptions) {
    this.#options = options;
    this.#watch = new StreamWatch({
      ...options,
      onConnected: () => undefined,
      onMessage: (response) => this.#received(response),
      onLost: (loss) => this.#lost(loss),
    });
  }

  stop(): void {
    this.#watch.stop();
  }

  /** Resolves when the Workload API has said anything, be it that there is nothing for this workload. The first who asks makes it ask. */
  known(): Promise<void> {
    this.#watch.start();
    return this.#known.promise;
  }

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
    // Of trouble on the way the stream of the X.509 identities tells.
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
