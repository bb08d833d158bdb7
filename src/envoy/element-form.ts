/** Checks the elements of a certificate as strictly as Envoy does (X.690; RFC 5280, section 4.1). */
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
/** String types in which every byte is valid. */
const BYTE_STRINGS: ReadonlySet<number> = new Set([TAG.numericString, TAG.printableString, TAG.t61String, TAG.ia5String]);

/** UTCTime and GeneralizedTime. */
const TIMES: ReadonlyMap<number, RegExp> = new Map([
  [0x17, /^\d{12}(Z|[+-]\d{4})$/],
  [0x18, /^(?!0000)\d{14}Z$/],
]);

/** Reads the elements of a SEQUENCE or SET in order. Each error names the element. */
export class Fields {
  readonly #elements: readonly DerElement[];
  readonly #what: string;
  #at = 0;

  /**
   * @param what the name of the SEQUENCE or SET, for errors
   * @throws RangeError when the content is not DER
   */
  constructor(content: Uint8Array, what: string) {
    this.#elements = elementsOf(content);
    this.#what = what;
  }

  /** The tag of the next element; undefined at the end. */
  get next(): number | undefined {
    return this.#elements[this.#at]?.tag;
  }

  /**
   * Takes the next element.
   * @throws Error when there is none
   */
  any(what: string): DerElement {
    const element = this.#elements[this.#at];
    if (element === undefined) throw new Error(`${what} is missing`);
    this.#at += 1;
    return element;
  }

  /**
   * Takes the next element, which must have this tag.
   * @throws Error when it has another tag or is missing
   */
  take(tag: number, what: string): DerElement {
    const element = this.any(what);
    if (element.tag !== tag) throw new Error(`${what} has the ASN.1 tag ${element.tag} instead of ${tag}`);
    return element;
  }

  /** Takes the next element, which must have this tag, and returns its content. */
  within(tag: number, what: string): Fields {
    return new Fields(this.take(tag, what).content, what);
  }

  /** @throws Error when there are more elements */
  end(): void {
    if (this.next !== undefined) throw new Error(`${this.#what} has more in it than it should`);
  }
}

/** @throws Error when the unused bits are not zero (X.690, section 11.2.1) */
export function checkBitString({ content }: DerElement): void {
  if (!isBitString(content)) throw new Error('a BIT STRING does not end as it says');
}

/**
 * Checks the form of a time. Envoy accepts an offset instead of Z in UTCTime (against RFC 5280, section 4.1.2.5.1), but no offset and no
 * fraction in GeneralizedTime. The year 0 is refused, because with it Envoy's admin page `/certs` fails.
 * @throws Error when the form is wrong; the parser of the certificate checks whether the date exists
 */
export function checkTime({ tag, content }: DerElement): void {
  const written = TIMES.get(tag)?.test(Buffer.from(content).toString('latin1'));
  if (written !== true) throw new Error('a time of its validity is not written as RFC 5280 wants it');
}

/** @throws Error when the type is not a string type for names, or the content does not fit the type */
export function checkNameValue({ tag, content }: DerElement): void {
  if (BYTE_STRINGS.has(tag) || (tag === TAG.bitString && isBitString(content))) return;
  if (charactersOf(tag, Buffer.from(content))?.every(isCharacter) !== true)
    throw new Error(`a name has a value with the ASN.1 tag ${tag} that is none of its strings, or not in the encoding of that`);
}

/** The code points of the string; undefined when it is not a Unicode string. */
function charactersOf(tag: number, content: Buffer): readonly number[] | undefined {
  if (tag === TAG.utf8String && isUtf8(content))
    return Array.from(content.toString(), (character) => character.codePointAt(0) ?? 0);
  const size = tag === TAG.bmpString ? 2 : 4;
  if ((tag !== TAG.bmpString && tag !== TAG.universalString) || content.length % size !== 0) return undefined;
  return Array.from({ length: content.length / size }, (_, index) => content.readUIntBE(index * size, size));
}

/** Whether the code point is neither a surrogate nor a noncharacter (Unicode, section 3.4). */
function isCharacter(code: number): boolean {
  const surrogate = code >= 0xd800 && code <= 0xdfff;
  const noncharacter = (code & 0xfffe) === 0xfffe || (code >= 0xfdd0 && code <= 0xfdef);
  return code <= 0x10ffff && !surrogate && !noncharacter;
}
