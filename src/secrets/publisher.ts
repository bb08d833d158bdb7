/** Makes a new set of secrets when the Workload API sends a message, the configuration changes, or a certificate or CRL begins or ends. */
import type { Clock } from '../clock.ts';
import { nextAuthorityChange, sentAuthorities } from '../envoy/authorities.ts';
import type { EventListener, UpdateCause } from '../events.ts';
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
import { standingOf } from '../spiffe/standing.ts';
import { makeThrowawayAuthority } from '../spiffe/throwaway-authority.ts';
import type { Certificate } from '../spiffe/x509/certificate.ts';
import { EMPTY_CONTEXT, type X509Context } from '../spiffe/x509-context.ts';
import { freshnessOf, nextChangeOf } from './expiry.ts';
import { identitiesOf } from './identities.ts';
import { identityEvents, NOTHING_REPORTED } from './identity-events.ts';
import type { Naming } from './naming.ts';
import type { Secret } from './secret.ts';
import { createSecretSet, type SecretSet, type SecretSetOptions, wipeKeys } from './secret-set.ts';
import { needsBundleFirst } from './staged-set.ts';
import { type NamedToken, namedTokens, type TokenView, withTokens } from './token-set.ts';
import { NO_TRUST, nextTrust, type Trust } from './trust.ts';
import { crlProblems } from './validation-sources.ts';

/** How often the publisher reads the clock: timers stop while the machine sleeps, and the wall clock can be corrected at any time. */
const LOOK_MS = 1_000;
/** When the wall clock drifts from the monotonic clock by this much, the publisher checks all validity periods again. */
const MAX_DRIFT_MS = 1_000;
const NO_LONGER_LISTED = 'the Workload API no longer lists it';

export interface PublisherOptions {
  readonly clock: Clock;
  readonly events: EventListener;
  /** Called with each new set of secrets. */
  readonly publish: (update: SecretsUpdate) => void;
  /** Where JWT-SVIDs come from. Default: no JWT-SVIDs are served. */
  readonly tokens?: TokenView;
}

/** A new set of secrets and why it was made. */
export interface SecretsUpdate {
  readonly secrets: SecretSet;
  readonly cause: UpdateCause;
  /** True when peers that have only the previous bundles would refuse the new certificates: the bundles must be sent first. */
  readonly bundleFirst: boolean;
}

/** Holds the newest trust and configuration, and publishes a new set of secrets when one of them or the validity of a part changes. */
export class SecretPublisher {
  readonly #options: PublisherOptions;
  #naming: Naming;
  #trust = NO_TRUST;
  #namedTokens: readonly NamedToken[];
  /** The secrets without tokens; undefined until the first message of the Workload API. */
  #set: SecretSet | undefined;
  #begun = false;
  readonly #throwawayAuthority = madeOnce(makeThrowawayAuthority);
  #stopTimer: () => void = () => undefined;
  /** The last result of `#validityNow`. */
  #validity = '';
  #reported = NOTHING_REPORTED;
  #reportedCrls: ReadonlyMap<TrustDomain | undefined, string> = new Map();

  constructor(naming: Naming, options: PublisherOptions) {
    this.#naming = naming;
    this.#namedTokens = namedTokens(naming);
    this.#options = options;
  }

  /**
   * Takes a new context from the Workload API and publishes.
   * @param reason why an SVID or bundle that the new context lacks was withdrawn
   */
  adopt(context: X509Context, reason = NO_LONGER_LISTED): void {
    const { clock, events } = this.#options;
    const before = this.#trust;
    this.#trust = nextTrust(before, context, clock.now());
    this.#begun = true;
    for (const trustDomain of this.#trust.distrusted) {
      if (!before.distrusted.has(trustDomain)) events({ type: 'trust_domain_distrusted', trustDomain });
    }
    this.#publish('workload_api', reason, needsBundleFirst(before.context, context, clock.now()));
  }

  /** Takes a new configuration, and publishes if the Workload API has sent a context. */
  configure(naming: Naming): void {
    this.#naming = naming;
    this.#namedTokens = namedTokens(naming);
    if (this.#begun) this.#publish('configuration');
  }

  /** Publishes the same secrets with the new tokens. The other secrets are not encoded again. */
  tokensChanged(cause: UpdateCause): void {
    this.#announce(cause, false);
  }

  stop(): void {
    this.#stopTimer();
  }

  /** Overwrites the private keys in what was published. Nobody may be sent any of it after that. @returns the secrets that had them */
  wipe(): readonly Secret[] {
    for (const { privateKey } of [...this.#trust.context.svids, ...this.#trust.predecessors.values()]) privateKey.fill(0);
    return this.#set === undefined ? [] : wipeKeys(this.#set);
  }

  #publish(cause: UpdateCause, reason = NO_LONGER_LISTED, bundleFirst = false): void {
    const now = this.#options.clock.now();
    this.#validity = this.#validityNow(now);
    this.#reportIdentities(now, reason);
    this.#reportCrls(now);
    this.#set = createSecretSet(this.#trust, this.#naming, {
      now,
      throwawayAuthority: this.#throwawayAuthority,
      ...(this.#set && { before: this.#set }),
      onEncoded: this.#reportEncoded,
    });
    this.#announce(cause, bundleFirst);
    this.#wait(now);
  }

  #announce(cause: UpdateCause, bundleFirst: boolean): void {
    const { clock, publish, tokens } = this.#options;
    if (this.#set === undefined) return;
    const options = { now: () => clock.now(), onEncoded: this.#reportEncoded };
    const secrets = tokens === undefined ? this.#set : withTokens(this.#set, this.#namedTokens, tokens, options);
    publish({ secrets, cause, bundleFirst });
  }

  readonly #reportEncoded: SecretSetOptions['onEncoded'] & {} = ({ name, kind, version, any }) =>
    this.#options.events({ type: 'secret_encoded', name, kind, version, bytes: any.length });

  /** Checks again at the next begin or end of a validity period, and when the wall clock was corrected. */
  #wait(now: number): void {
    const { clock } = this.#options;
    const next = nextChange(this.#trust, now);
    const drift = () => Math.abs(clock.now() - now - (clock.monotonic() - since));
    const since = clock.monotonic();
    const look = () => {
      if (clock.now() < next && drift() < MAX_DRIFT_MS) wait();
      else if (this.#validityNow(clock.now()) === this.#validity) this.#wait(clock.now());
      else this.#publish('time');
    };
    const wait = () => {
      this.#stopTimer = clock.after(Math.max(1, Math.min(next - clock.now(), LOOK_MS)), look);
    };
    this.#stopTimer();
    if (this.#trust.context !== EMPTY_CONTEXT) wait();
  }

  /** Everything that depends on the clock, as a text to compare. */
  #validityNow(now: number): string {
    const { bundles, crls } = this.#trust.context;
    const fingerprints = (certificates: readonly Certificate[]) => certificates.map(({ fingerprint }) => fingerprint);
    return JSON.stringify([
      identitiesOf(this.#trust, now).map(({ standing, served }) => [
        freshnessOf(standing, now),
        served?.path.notAfter,
        fingerprints(served?.chain ?? []),
      ]),
      [...bundles.values()].map(({ authorities }) => fingerprints(sentAuthorities(authorities, now))),
      crls.map(({ thisUpdate, nextUpdate }) => thisUpdate <= now && now < nextUpdate),
    ]);
  }

  #reportIdentities(now: number, reason: string): void {
    const { events, reported } = identityEvents(this.#reported, identitiesOf(this.#trust, now), now, reason);
    this.#reported = reported;
    for (const event of events) this.#options.events(event);
  }

  #reportCrls(now: number): void {
    const problems = this.#naming.crl ? crlProblems(this.#trust, now) : new Map<TrustDomain | undefined, string>();
    for (const [trustDomain, reason] of problems) {
      if (this.#reportedCrls.get(trustDomain) === reason) continue;
      this.#options.events({ type: 'crl_left_out', ...(trustDomain !== undefined && { trustDomain }), reason });
    }
    this.#reportedCrls = problems;
  }
}

/** The next time at which the served secrets may change, in milliseconds since the epoch; Infinity if never. */
function nextChange({ context, predecessors }: Trust, now: number): number {
  const svids = [...context.svids, ...predecessors.values()];
  return Math.min(
    ...svids.map((svid) => nextChangeOf(svid, standingOf(svid, now), now)),
    ...[...context.bundles.values()].map(({ authorities }) => nextAuthorityChange(authorities, now)),
    ...context.crls.flatMap(({ thisUpdate, nextUpdate }) => [thisUpdate, nextUpdate]).filter((time) => time > now),
  );
}

function madeOnce<T extends object>(make: () => T): () => T {
  let made: T | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
