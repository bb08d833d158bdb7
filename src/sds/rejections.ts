/**
 * What Envoys rejected, beyond the stream on which they did. An Envoy that connects again acknowledges the bytes that it rejected before
 * without applying them, and from then on nobody could tell that it does not have them.
 */
import { type Secret, VALIDATION_FORMS } from '../secrets/secret.ts';
import type { SecretSet } from '../secrets/secret-set.ts';
import type { Recall } from './name-state.ts';

interface Rejection {
  readonly name: string;
  readonly rejected: string;
  readonly accepted?: Secret;
}

/** Envoys come and go; what is forgotten first is oldest. */
const MAX_REJECTIONS = 4096;

export class Rejections {
  readonly #byNodeAndName = new Map<string, Rejection>();

  get size(): number {
    return this.#byNodeAndName.size;
  }

  /** @param accepted what that Envoy has instead, when that is known */
  remember(node: string, { name, version }: Secret, accepted: Secret | undefined): void {
    const key = keyOf(node, name);
    this.#byNodeAndName.delete(key);
    this.#byNodeAndName.set(key, { name, rejected: version, ...(accepted && { accepted }) });
    const [oldest] = this.#byNodeAndName.keys();
    if (this.#byNodeAndName.size > MAX_REJECTIONS && oldest !== undefined) this.#byNodeAndName.delete(oldest);
  }

  /** What one Envoy rejected, for a stream with which it goes on where it was. */
  recall(node: string): Recall {
    return (name) => this.#byNodeAndName.get(keyOf(node, name));
  }

  /** Forgets what is not the newest content any more. */
  retain(secrets: SecretSet): void {
    for (const [key, { name, rejected }] of this.#byNodeAndName) {
      const current = VALIDATION_FORMS.map((form) => secrets.get(name, form));
      if (!current.some((secret) => secret?.version === rejected)) this.#byNodeAndName.delete(key);
    }
  }
}

function keyOf(node: string, name: string): string {
  return `${node}\0${name}`;
}
