/** Makes a new set of secrets whenever there is a reason to: the Workload API spoke, the configuration changed, or something expired. */
import type { Clock } from '../clock.ts';
import type { EventListener, UpdateCause } from '../events.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import { makeThrowawayAuthority } from '../spiffe/throwaway-authority.ts';
import type { X509Context } from '../spiffe/x509-context.ts';
import { expiryOf, type Freshness, freshnessOf, nextChangeOf } from './expiry.ts';
import type { Naming } from './naming.ts';
import { createSecretSet, crlProblems, type SecretSet } from './secret-set.ts';
import { needsBundleFirst } from './staged-set.ts';
import { NO_TRUST, nextTrust } from './trust.ts';

/** A timer sleeps while the machine does: the clock is looked at this often at least. */
const MAX_WAIT_MS = 30_000;

export interface PublisherOptions {
  readonly clock: Clock;
  readonly events: EventListener;
  readonly publish: (update: SecretsUpdate) => void;
}

/** A new set of secrets, and why. */
export interface SecretsUpdate {
  readonly secrets: SecretSet;
  readonly cause: UpdateCause;
  /** Whether peers that have only the last bundles would refuse the new certificates: these wait until the streams have the new bundles. */
  readonly bundleFirst: boolean;
}

export class SecretPublisher {
  readonly #options: PublisherOptions;
  #naming: Naming;
  #trust = NO_TRUST;
  #begun = false;
  #throwawayAuthority: Uint8Array | undefined;
  #stopTimer: () => void = () => undefined;
  /** What was told last of each SVID, by the fingerprint of its leaf, and of each trust domain's CRLs. */
  #told = new Map<string, Freshness>();
  #toldCrls: ReadonlyMap<TrustDomain | undefined, string> = new Map();

  constructor(naming: Naming, options: PublisherOptions) {
    this.#naming = naming;
    this.#options = options;
  }

  /** Gets ready to say that nobody is trusted. */
  async prepare(): Promise<void> {
    this.#throwawayAuthority = await makeThrowawayAuthority(this.#options.clock.now());
    if (this.#trust.distrusted.size > 0) this.#publish('time');
  }

  adopt(context: X509Context): void {
    const { clock, events } = this.#options;
    const before = this.#trust;
    this.#trust = nextTrust(before, context);
    this.#begun = true;
    for (const trustDomain of this.#trust.distrusted) {
      if (!before.distrusted.has(trustDomain)) events({ type: 'trust_domain_distrusted', trustDomain });
    }
    this.#publish('workload_api', needsBundleFirst(before.context, context, clock.now()));
  }

  configure(naming: Naming): void {
    this.#naming = naming;
    if (this.#begun) this.#publish('configuration');
  }

  stop(): void {
    this.#stopTimer();
  }

  #publish(cause: UpdateCause, bundleFirst = false): void {
    const { clock, events, publish } = this.#options;
    const now = clock.now();
    this.#tellExpiry(now);
    this.#tellCrls(now);
    const secrets = createSecretSet(this.#trust, this.#naming, {
      now,
      throwawayAuthority: this.#throwawayAuthority,
      onEncoded: ({ name, kind, version, any }) => events({ type: 'secret_encoded', name, kind, version, bytes: any.length }),
    });
    publish({ secrets, cause, bundleFirst });
    this.#wait(now);
  }

  #wait(now: number): void {
    const { clock } = this.#options;
    const { svids, crls } = this.#trust.context;
    const changes = [
      ...svids.map((svid) => nextChangeOf(svid, now)),
      ...crls.flatMap(({ thisUpdate, nextUpdate }) => [thisUpdate, nextUpdate]),
    ];
    const next = Math.min(...changes.filter((time) => time > now));
    this.#stopTimer();
    if (next === Number.POSITIVE_INFINITY) return;
    const check = () => {
      if (clock.now() >= next) this.#publish('time');
      else this.#wait(clock.now());
    };
    this.#stopTimer = clock.after(Math.max(1, Math.min(next - now, MAX_WAIT_MS)), check);
  }

  #tellExpiry(now: number): void {
    const told = new Map<string, Freshness>();
    for (const svid of this.#trust.context.svids) {
      const { fingerprint, serial } = svid.chain[0];
      const freshness = freshnessOf(svid, now);
      const again = told.has(fingerprint);
      told.set(fingerprint, freshness);
      if (again || freshness === 'fresh' || this.#told.get(fingerprint) === freshness) continue;
      this.#options.events({ type: `svid_${freshness}`, id: svid.id, serial, notAfter: expiryOf(svid) });
    }
    this.#told = told;
  }

  #tellCrls(now: number): void {
    const problems = this.#naming.crl ? crlProblems(this.#trust, now) : new Map<TrustDomain | undefined, string>();
    for (const [trustDomain, reason] of problems) {
      if (this.#toldCrls.get(trustDomain) === reason) continue;
      this.#options.events({ type: 'crl_left_out', ...(trustDomain !== undefined && { trustDomain }), reason });
    }
    this.#toldCrls = problems;
  }
}
