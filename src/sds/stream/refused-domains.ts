/**
 * Trust domains whose bundles an Envoy refused. Envoy then refuses the whole validation context, with the bundles of all other trust
 * domains. So that one bad bundle does not stop the CA roll of the others, it is left out for this Envoy until its content changes.
 */

/** Which content of each trust domain was refused. */
type Refused = ReadonlyMap<string, string>;

/** Envoys come and go: beyond this the oldest is forgotten. */
const MAX_ENVOYS = 1_024;
/** In the words of Envoy 1.36 – 1.40. */
const REFUSAL = /Failed to load trusted CA certificate for ([a-z0-9._-]{1,255})/;

/** The trust domain whose bundle a NACK complains of; undefined when it complains of something else. */
export function refusedDomain(nack: string): string | undefined {
  return REFUSAL.exec(nack)?.[1];
}

export class RefusedDomains {
  readonly #byEnvoy = new Map<string, Refused>();

  get size(): number {
    return this.#byEnvoy.size;
  }

  /** @returns whether that is news */
  remember(envoy: string, trustDomain: string, content: string): boolean {
    const before = this.#byEnvoy.get(envoy);
    if (before?.get(trustDomain) === content) return false;
    this.#byEnvoy.delete(envoy);
    this.#byEnvoy.set(envoy, new Map([...(before ?? []), [trustDomain, content]]));
    const [oldest] = this.#byEnvoy.keys();
    if (this.#byEnvoy.size > MAX_ENVOYS && oldest !== undefined) this.#byEnvoy.delete(oldest);
    return true;
  }

  /** What to leave out for an Envoy; undefined: nothing. */
  of(envoy: string): ReadonlySet<string> | undefined {
    const refused = this.#byEnvoy.get(envoy);
    return refused && new Set(refused.keys());
  }

  /**
   * Forgets what is not the newest content any more.
   * @param contentOf the newest of a trust domain
   */
  retain(contentOf: (trustDomain: string) => string | undefined): void {
    for (const [envoy, refused] of this.#byEnvoy) {
      const current = new Map([...refused].filter(([trustDomain, content]) => contentOf(trustDomain) === content));
      if (current.size === 0) this.#byEnvoy.delete(envoy);
      else this.#byEnvoy.set(envoy, current);
    }
  }
}
