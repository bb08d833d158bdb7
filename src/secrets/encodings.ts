/** The cache of encoded secrets. A secret is encoded at its first request and again only when a part of it has changed. */
import type { SecretKind } from '../events.ts';
import { createSecret, type Secret, type SecretContent, VALIDATION_FORMS, type ValidationForm } from './secret.ts';

/** How to make the content of one named secret. */
export interface SecretSource {
  readonly kind: SecretKind;
  /**
   * Makes the content; undefined when the secret cannot be expressed in this form.
   * @param without trust domains to leave out
   */
  readonly content: (form: ValidationForm, without: ReadonlySet<string>) => SecretContent | undefined;
  /**
   * The parts of the content. Two lists with identical values (`===`) give the same content, so the cache compares them. `content` must
   * not read a clock: the source was chosen for one point in time.
   */
  readonly madeOf: (form: ValidationForm, without: ReadonlySet<string>) => readonly unknown[];
  /** The trust domains that `without` can leave out. */
  readonly separable: readonly string[];
}

interface Encoded {
  readonly form: ValidationForm;
  readonly without: ReadonlySet<string>;
  readonly madeOf: readonly unknown[];
  /** Undefined when the secret cannot be expressed in this form. */
  readonly secret: Secret | undefined;
}

const NOTHING: ReadonlySet<string> = new Set();

/** Encodes the secrets of one secret set, each once for each name, form and choice of trust domains. */
export class Encodings {
  readonly #sources: ReadonlyMap<string, SecretSource>;
  readonly #onEncoded: ((secret: Secret) => void) | undefined;
  /** The first key is the variant: the form and the trust domains that are left out. The second key is the name. */
  readonly #known = new Map<string, Map<string, Encoded>>(VALIDATION_FORMS.map((form) => [form, new Map()]));

  /**
   * @param onEncoded called for each secret that is encoded
   * @param before the encodings of the previous set: unchanged ones are copied, the others (with old private keys) are dropped
   */
  constructor(sources: ReadonlyMap<string, SecretSource>, onEncoded?: (secret: Secret) => void, before?: Encodings) {
    this.#sources = sources;
    this.#onEncoded = onEncoded;
    for (const [variant, byName] of before === undefined ? [] : before.#known) {
      for (const [name, encoded] of byName) {
        const { form, without, madeOf } = encoded;
        const source = sources.get(name);
        if (source !== undefined && isSame(source.madeOf(form, without), madeOf)) this.#of(variant).set(name, encoded);
      }
    }
  }

  /** @param without trust domains to leave out of validation contexts that have more than one */
  get(name: string, form: ValidationForm, without: ReadonlySet<string> = NOTHING): Secret | undefined {
    const source = this.#sources.get(name);
    if (source === undefined) return undefined;
    const leftOut = without.size === 0 ? [] : source.separable.filter((one) => without.has(one));
    const known = this.#of(leftOut.length === 0 ? form : `${form} without ${leftOut.join()}`);
    const encoded = known.get(name) ?? this.#encode(name, source, form, leftOut.length === 0 ? NOTHING : new Set(leftOut));
    known.set(name, encoded);
    return encoded.secret;
  }

  /** Overwrites what holds private keys. @returns what it overwrote */
  wipe(): readonly Secret[] {
    const encoded = [...this.#known.values()].flatMap((byName) => [...byName.values()]);
    const wiped = encoded.flatMap(({ secret }) => (secret?.kind === 'tls_certificate' ? [secret] : []));
    for (const { any } of wiped) any.fill(0);
    return wiped;
  }

  /** The versions of all variants that were requested; a validation context can have several. */
  versions(name: string): readonly string[] {
    return [...new Set([...this.#known.values()].flatMap((known) => known.get(name)?.secret?.version ?? []))];
  }

  #of(variant: string): Map<string, Encoded> {
    const known = this.#known.get(variant) ?? new Map<string, Encoded>();
    this.#known.set(variant, known);
    return known;
  }

  #encode(name: string, source: SecretSource, form: ValidationForm, without: ReadonlySet<string>): Encoded {
    const content = source.content(form, without);
    const secret = content && createSecret(name, source.kind, content);
    // The secret has a copy of it.
    content?.tls_certificate?.private_key?.inline_bytes?.fill(0);
    if (secret !== undefined) this.#onEncoded?.(secret);
    return { form, without, madeOf: source.madeOf(form, without), secret };
  }
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}
