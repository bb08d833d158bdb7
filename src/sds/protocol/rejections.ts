/**
 * What Envoys rejected, beyond the stream on which they did. An Envoy that connects again acknowledges the bytes that it rejected before
 * without applying them, and from then on nobody could tell that it does not have them.
 *
 * We recognise such an Envoy by the version that it shows: the one that it has after that rejection. Another Envoy with the same key that
 * has another version must get the newest.
 */
import type { SecretVersion } from '../../events.ts';
import { type Secret, VALIDATION_FORMS } from '../../secrets/secret.ts';
import type { SecretSet } from '../../secrets/secret-set.ts';
import type { NameStates, Recall } from './name-state.ts';

/** What an Envoy says that it has of a name; undefined: nothing. */
export type Shown = (name: string) => string | undefined;

interface Rejection {
  readonly name: string;
  readonly rejected: string;
  readonly accepted?: Secret;
  readonly shown: string | undefined;
}

/** Envoys come and go: beyond this the oldest is forgotten. */
const MAX_REJECTIONS = 4096;

export class Rejections {
  readonly #byEnvoyAndName = new Map<string, Rejection>();

  get size(): number {
    return this.#byEnvoyAndName.size;
  }

  /**
   * Remembers what an answer rejected, and what the Envoy has instead.
   * @param envoy its key
   * @param states of its stream
   * @param shown what it would show on another stream now
   * @param culprit the secret that the answer rejects
   */
  learn(envoy: string, states: NameStates, shown: Shown, culprit?: SecretVersion): void {
    if (culprit !== undefined) this.#remember(envoy, culprit, states.get(culprit.name)?.accepted, shown(culprit.name));
    if (this.size === 0) return;
    for (const [name, { rejected }] of states) {
      if (rejected === undefined) continue;
      const key = keyOf(envoy, name);
      const before = this.#byEnvoyAndName.get(key);
      if (before?.rejected === rejected) this.#byEnvoyAndName.set(key, { ...before, shown: shown(name) });
    }
  }

  /**
   * What one Envoy rejected, for a stream with which it goes on where it was.
   * @param envoys the keys under which it may be remembered
   */
  recall(envoys: readonly string[], shown: Shown): Recall {
    return (name) => {
      const remembered = envoys.map((envoy) => this.#byEnvoyAndName.get(keyOf(envoy, name)));
      const known = remembered.find((rejection) => rejection !== undefined && rejection.shown === shown(name));
      if (known === undefined) return undefined;
      const { rejected, accepted } = known;
      return { rejected, ...(accepted && { accepted }) };
    };
  }

  /** Forgets what is not the newest content any more. */
  retain(secrets: SecretSet): void {
    for (const [key, { name, rejected }] of this.#byEnvoyAndName) {
      const current = VALIDATION_FORMS.map((form) => secrets.get(name, form));
      if (!current.some((secret) => secret?.version === rejected)) this.#byEnvoyAndName.delete(key);
    }
  }

  #remember(envoy: string, { name, version }: SecretVersion, accepted: Secret | undefined, shown: string | undefined): void {
    const key = keyOf(envoy, name);
    this.#byEnvoyAndName.delete(key);
    this.#byEnvoyAndName.set(key, { name, rejected: version, ...(accepted && { accepted }), shown });
    const [oldest] = this.#byEnvoyAndName.keys();
    if (this.#byEnvoyAndName.size > MAX_REJECTIONS && oldest !== undefined) this.#byEnvoyAndName.delete(oldest);
  }
}

function keyOf(envoy: string, name: string): string {
  return `${envoy}\0${name}`;
}
