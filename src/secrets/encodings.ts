/** Secrets as they were encoded: each when it is first asked for, once for each name and form, and not again while it is made of the same. */
import type { SecretKind } from '../events.ts';
import { createSecret, type Secret, type SecretContent, VALIDATION_FORMS, type ValidationForm } from './secret.ts';

/** What a name stands for. */
export interface SecretSource {
  readonly kind: SecretKind;
  /** @param without trust domains to leave out */
  readonly content: (form: ValidationForm, without: ReadonlySet<string>) => SecretContent | undefined;
  /**
   * All that the content is made of: of the same values, compared by identity, the same content is made. Nothing in it depends on a clock;
   * what the clock decided is which values these are.
   */
  readonly madeOf: (form: ValidationForm, without: ReadonlySet<string>) => readonly unknown[];
  /** Trust domains that can be left out. */
  readonly separable: readonly string[];
}

interface Encoded {
  readonly form: ValidationForm;
  readonly without: ReadonlySet<string>;
  readonly madeOf: readonly unknown[];
  /** Undefined: there is none in that form. */
  readonly secret: Secret | undefined;
}

const NOTHING: ReadonlySet<string> = new Set();

export class Encodings {
  readonly #sources: ReadonlyMap<string, SecretSource>;
  readonly #onEncoded: ((secret: Secret) => void) | undefined;
  /** By form and what is left out, then by name. */
  readonly #known = new Map<string, Map<string, Encoded>>(VALIDATION_FORMS.map((form) => [form, new Map()]));

  /**
   * @param onEncoded hears of each secret that is encoded
   * @param before what of it is still made of the same is taken over; the rest, old keys with it, is not kept
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

  /** @param without trust domains to leave out of contexts of several */
  get(name: string, form: ValidationForm, without: ReadonlySet<string> = NOTHING): Secret | undefined {
    const source = this.#sources.get(name);
    if (source === undefined) return undefined;
    const leftOut = without.size === 0 ? [] : source.separable.filter((one) => without.has(one));
    const known = this.#of(leftOut.length === 0 ? form : `${form} without ${leftOut.join()}`);
    const encoded = known.get(name) ?? this.#encode(name, source, form, leftOut.length === 0 ? NOTHING : new Set(leftOut));
    known.set(name, encoded);
    return encoded.secret;
  }

  /** Of what was asked for: several when a validation context is served in several forms. */
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
    if (secret !== undefined) this.#onEncoded?.(secret);
    return { form, without, madeOf: source.madeOf(form, without), secret };
  }
}

function isSame(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}
