/** The elements that a certificate is made of, as strict as Envoy takes them. X.690; RFC 5280, section 4.1. */
import { isUtf8 } from 'node:buffer';
import { type DerElement, elementsOf, isBitString } from '../spiffe/x509/der.ts';

const TAG = {
  bitString: 0x03,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  universalString: 0x1c,
  bmpString: 0x1e,
} as const;
/** Any byte is a character in these. */
const BYTE_STRINGS: ReadonlySet<number> = new Set([TAG.numericString, TAG.printableString, TAG.t61String, TAG.ia5String]);

/** UTCTime and GeneralizedTime. */
const TIMES: ReadonlyMap<number, RegExp> = new Map([
  [0x17, /^\d{12}(Z|[+-]\d{4})$/],
  [0x18, /^(?!0000)\d{14}Z$/],
]);

/** What is in a SEQUENCE or SET, one after the other. Each error says what it is of. */
export class Fields {
  readonly #elements: readonly DerElement[];
  readonly #what: string;
  #at = 0;

  /** @throws RangeError when it is not DER */
  constructor(content: Uint8Array, what: string) {
    this.#elements = elementsOf(content);
    this.#what = what;
  }

  /** The tag of the next element; undefined at the end. */
  get next(): number | undefined {
    return this.#elements[this.#at]?.tag;
  }

  /** @throws when there is none */
  any(what: string): DerElement {
    const element = this.#elements[this.#at];
    if (element === undefined) throw new Error(`${what} is missing`);
    this.#at += 1;
    return element;
  }

  /** @throws when the next one is of another type */
  take(tag: number, what: string): DerElement {
    const element = this.any(what);
    if (element.tag !== tag) throw new Error(`${what} has the ASN.1 tag ${element.tag} instead of ${tag}`);
    return element;
  }

  /** What is in the next one. */
  within(tag: number, what: string): Fields {
    return new Fields(this.take(tag, what).content, what);
  }

  /** @throws when there is more */
  end(): void {
    if (this.next !== undefined) throw new Error(`${this.#what} has more in it than it should`);
  }
}

/** @throws when what does not count is not zero */
export function checkBitString({ content }: DerElement): void {
  if (!isBitString(content)) throw new Error('a BIT STRING does not end as it says');
}

/**
 * UTCTime may have an offset instead of its Z, against RFC 5280; GeneralizedTime neither that nor a fraction. With a year 0 Envoy cannot
 * answer `/certs` any more.
 * @throws when it is not written so; whether there is such a day, whoever reads the certificate judges
 */
export function checkTime({ tag, content }: DerElement): void {
  const written = TIMES.get(tag)?.test(Buffer.from(content).toString('latin1'));
  if (written !== true) throw new Error('a time of its validity is not written as RFC 5280 wants it');
}

/** @throws when it is no string that a name may have, or not in its own encoding */
export function checkNameValue({ tag, content }: DerElement): void {
  if (BYTE_STRINGS.has(tag) || (tag === TAG.bitString && isBitString(content))) return;
  if (charactersOf(tag, Buffer.from(content))?.every(isCharacter) !== true)
    throw new Error(`a name has a value with the ASN.1 tag ${tag} that is none of its strings, or not in the encoding of that`);
}

/** Code points; undefined when it is no string of Unicode. */
function charactersOf(tag: number, content: Buffer): readonly number[] | undefined {
  if (tag === TAG.utf8String && isUtf8(content))
    return Array.from(content.toString(), (character) => character.codePointAt(0) ?? 0);
  const size = tag === TAG.bmpString ? 2 : 4;
  if ((tag !== TAG.bmpString && tag !== TAG.universalString) || content.length % size !== 0) return undefined;
  return Array.from({ length: content.length / size }, (_, index) => content.readUIntBE(index * size, size));
}

/** Unicode, section 3.4: neither a surrogate nor one of the noncharacters. */
function isCharacter(code: number): boolean {
  const surrogate = code >= 0xd800 && code <= 0xdfff;
  const noncharacter = (code & 0xfffe) === 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);
  return code <= 0x10ffff && !surrogate && !noncharacter;
}
