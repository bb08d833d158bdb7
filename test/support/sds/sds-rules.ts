/** What every response must keep to, whatever happened before: one Envoy, its streams one after the other. */
import type { SecretVersion } from '../../../src/events.ts';
import type { Sent } from '../../../src/sds/protocol/protocol.ts';
import type { SecretsView } from '../../../src/sds/protocol/view.ts';
import { isBad } from './envoy-model.ts';

export class SdsRules {
  #names: readonly string[] = [];
  /** By name, what Envoy knows to have been sent: a version, or `removed`. */
  readonly #last = new Map<string, string>();
  /** To be answered although nothing is new. */
  readonly #asked = new Set<string>();
  /** By name, what this Envoy is known to reject, as long as it is the newest. */
  readonly #rejected = new Map<string, string>();
  /** By name, the number of the response with which it went out first since it was asked for. */
  readonly #firstSent = new Map<string, number>();
  /** Content that came in a rejected response: its ACK proves nothing. */
  readonly #doubted = new Set<string>();
  /** Names that validation contexts went out for. */
  readonly #bundles = new Set<string>();
  /** Names that came in an accepted response of this stream, and Envoy uses what came. */
  readonly #accepted = new Set<string>();

  /**
   * A new stream.
   * @param versions what the Envoy says it has
   * @param resumes whether it says that it had anything: only then can it be told from a new one
   */
  connected(names: readonly string[], versions: Readonly<Record<string, string>>, resumes: boolean): void {
    this.#forget(this.#names);
    if (!resumes) this.#rejected.clear();
    for (const name of this.#names) if (!names.includes(name)) this.#rejected.delete(name);
    this.#names = names;
    for (const name of names) {
      const version = versions[name];
      if (version === undefined) this.#asked.add(name);
      else this.#last.set(name, version);
    }
  }

  subscribed(names: readonly string[]): void {
    const dropped = this.#names.filter((name) => !names.includes(name));
    this.#forget(dropped);
    for (const name of dropped) this.#rejected.delete(name);
    for (const name of names) if (!this.#names.includes(name)) this.#asked.add(name);
    this.#names = names;
  }

  /** For another listener. */
  askedAgain(): void {
    for (const name of this.#names) this.#asked.add(name);
  }

  /**
   * What is good may have been blamed for what was missing beside it.
   * @param wanted what Envoy has listeners for: the rest it did not look at
   */
  accepted({ nonce, secrets }: Sent, wanted: readonly string[]): void {
    for (const { name, version } of secrets.filter(({ name }) => wanted.includes(name))) {
      const isSince = (this.#firstSent.get(name) ?? Number.POSITIVE_INFINITY) <= Number(nonce);
      if (!isBad(version)) this.#rejected.delete(name);
      if (isSince && !this.#doubted.has(`${name}@${version}`)) this.#accepted.add(name);
    }
  }

  /** A response was rejected: nothing of it counts as delivered. */
  doubted({ secrets }: Sent): void {
    for (const { name, version } of secrets) this.#doubted.add(`${name}@${version}`);
    for (const { name } of secrets) this.#last.delete(name);
  }

  changed(name: string, version: string | undefined): void {
    if (this.#rejected.get(name) !== version) this.#rejected.delete(name);
  }

  rejected({ name, version }: SecretVersion, newest: string | undefined): void {
    if (version === newest && this.#names.includes(name)) this.#rejected.set(name, version);
    else this.#rejected.delete(name);
  }

  /**
   * @param isolates whether the culprit of a NACK is looked for: then things are said again
   * @param mayLack whether a name that was sent may be missing although Envoy never took it
   */
  sentSotw(response: Sent, isolates: boolean, mayLack: (name: string) => boolean): void {
    const names = response.secrets.map(({ name }) => name);
    if (names.length === 0) throw new Error('an empty response');
    const missing = [...this.#accepted].filter((name) => !names.includes(name));
    if (missing.length > 0) throw new Error(`${missing} was accepted on this stream and is missing from ${names}`);
    const lost = [...this.#firstSent.keys()].filter((name) => !names.includes(name) && !mayLack(name));
    if (lost.length > 0) throw new Error(`${lost} was sent on this stream and is missing from ${names}`);
    this.#sent(response, isolates);
  }

  sentDelta(response: Sent, view: SecretsView): void {
    const { secrets, removed = [] } = response;
    if (secrets.length !== (removed.length > 0 ? 0 : 1)) throw new Error(`${secrets.length} secrets, ${removed.length} removed`);
    for (const name of removed) {
      if (!view.complete) throw new Error(`${name} is removed before anything is known`);
      if (view.get(name) !== undefined) throw new Error(`${name} is removed although there is one`);
      if (this.#bundles.has(name)) throw new Error(`the bundle ${name} is removed`);
      const had = this.#last.has(name) || this.#firstSent.has(name);
      if (!had && !view.onDemand(name)) throw new Error(`${name} is removed, it never was there`);
    }
    this.#sent(response, false);
  }

  #sent({ nonce, secrets, removed = [] }: Sent, isolates: boolean): void {
    const content = new Map([
      ...secrets.map(({ name, version }) => [name, version] as const),
      ...removed.map((name) => [name, 'removed'] as const),
    ]);
    if (content.size !== secrets.length + removed.length) throw new Error(`a name twice: ${[...content.keys()]}`);
    const unasked = [...content.keys()].filter((name) => !this.#names.includes(name));
    if (unasked.length > 0) throw new Error(`${unasked} was not asked for`);
    const isNew = [...content].some(([name, version]) => this.#asked.has(name) || this.#last.get(name) !== version);
    if (!isNew && !isolates) throw new Error(`nothing new in ${[...content].join(' ')}`);
    for (const { name, kind } of secrets) if (kind === 'validation_context') this.#bundles.add(name);
    for (const [name, version] of content) {
      if (this.#rejected.get(name) === version) throw new Error(`${name}@${version} was rejected and is sent again`);
      this.#last.set(name, version);
      this.#asked.delete(name);
      if (!this.#firstSent.has(name)) this.#firstSent.set(name, Number(nonce));
    }
  }

  #forget(names: readonly string[]): void {
    for (const known of [this.#last, this.#asked, this.#firstSent, this.#bundles, this.#accepted])
      for (const name of names) known.delete(name);
  }
}
