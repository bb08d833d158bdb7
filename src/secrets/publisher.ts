/** Makes a new set of secrets whenever there is a reason to: the Workload API spoke, the configuration changed, or something expired. */
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
import { identityEvents, NOTHING_TOLD } from './identity-events.ts';
import type { Naming } from './naming.ts';
import { createSecretSet, type SecretSet, type SecretSetOptions } from './secret-set.ts';
import { needsBundleFirst } from './staged-set.ts';
import { type NamedToken, namedTokens, type TokenView, withTokens } from './token-set.ts';
import { NO_TRUST, nextTrust, type Trust } from './trust.ts';
import { crlProblems } from './validation-sources.ts';

/** The clock is looked at this often: a timer sleeps while the machine does, and the clock may be put right at any time. */
const LOOK_MS = 1_000;
/** How far the wall clock may drift from the monotonic one before what it decided is judged again. */
const MAX_DRIFT_MS = 1_000;
const NO_LONGER_LISTED = 'the Workload API no longer lists it';

export interface PublisherOptions {
  readonly clock: Clock;
  readonly events: EventListener;
  readonly publish: (update: SecretsUpdate) => void;
  /** Default: there are none. */
  readonly tokens?: TokenView;
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
  #namedTokens: readonly NamedToken[];
  /** All but the tokens; undefined until the Workload API has said anything. */
  #set: SecretSet | undefined;
  #begun = false;
  readonly #throwawayAuthority = madeOnce(makeThrowawayAuthority);
  #stopTimer: () => void = () => undefined;
  /** What the clock decided last. */
  #judgement = '';
  #told = NOTHING_TOLD;
  #toldCrls: ReadonlyMap<TrustDomain | undefined, string> = new Map();

  constructor(naming: Naming, options: PublisherOptions) {
    this.#naming = naming;
    this.#namedTokens = namedTokens(naming);
    this.#options = options;
  }

  /** @param reason why what the context lacks is gone */
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

  configure(naming: Naming): void {
    this.#naming = naming;
    this.#namedTokens = namedTokens(naming);
    if (this.#begun) this.#publish('configuration');
  }

  /** There are other tokens than before; the other secrets stay as they are, encoded. */
  tokensChanged(cause: UpdateCause): void {
    this.#announce(cause, false);
  }

  stop(): void {
    this.#stopTimer();
  }

  #publish(cause: UpdateCause, reason = NO_LONGER_LISTED, bundleFirst = false): void {
    const now = this.#options.clock.now();
    this.#judgement = this.#judge(now);
    this.#tellIdentities(now, reason);
    this.#tellCrls(now);
    this.#set = createSecretSet(this.#trust, this.#naming, {
      now,
      throwawayAuthority: this.#throwawayAuthority,
      onEncoded: this.#tellEncoded,
      before: this.#set,
    });
    this.#announce(cause, bundleFirst);
    this.#wait(now);
  }

  #announce(cause: UpdateCause, bundleFirst: boolean): void {
    const { clock, publish, tokens } = this.#options;
    if (this.#set === undefined) return;
    const options = { now: () => clock.now(), onEncoded: this.#tellEncoded };
    const secrets = tokens === undefined ? this.#set : withTokens(this.#set, this.#namedTokens, tokens, options);
    publish({ secrets, cause, bundleFirst });
  }

  readonly #tellEncoded: SecretSetOptions['onEncoded'] & {} = ({ name, kind, version, any }) =>
    this.#options.events({ type: 'secret_encoded', name, kind, version, bytes: any.length });

  /** Looks again when the time of something has come, and when the clock was put right. */
  #wait(now: number): void {
    const { clock } = this.#options;
    const next = nextChange(this.#trust, now);
    const drift = () => Math.abs(clock.now() - now - (clock.monotonic() - since));
    const since = clock.monotonic();
    const look = () => {
      if (clock.now() < next && drift() < MAX_DRIFT_MS) wait();
      else if (this.#judge(clock.now()) === this.#judgement) this.#wait(clock.now());
      else this.#publish('time');
    };
    const wait = () => {
      this.#stopTimer = clock.after(Math.max(1, Math.min(next - clock.now(), LOOK_MS)), look);
    };
    this.#stopTimer();
    if (this.#trust.context !== EMPTY_CONTEXT) wait();
  }

  /** All that depends on the clock, so that it can be compared. */
  #judge(now: number): string {
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

  #tellIdentities(now: number, reason: string): void {
    const { events, told } = identityEvents(this.#told, identitiesOf(this.#trust, now), now, reason);
    this.#told = told;
    for (const event of events) this.#options.events(event);
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

/** The next time at which something that is served may change, milliseconds since the epoch; Infinity when it will not. */
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
