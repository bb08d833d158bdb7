/**
 * Compares distinguished names (RFC 5280, section 7.1) as OpenSSL and BoringSSL do: they ignore the string type, the case of ASCII letters
 * and the amount of white space.
 */
import { printable } from '../../printable.ts';
import { type DerElement, derChildren } from './der.ts';

/** The string types that are compared as text (X.680, section 8.6), with a decoder for each. */
const TEXT_TYPES: ReadonlyMap<number, (bytes: Uint8Array) => string> = new Map([
  [0x0c, utf8],
  [0x13, latin1],
  [0x14, latin1],
  [0x16, latin1],
  [0x1a, latin1],
  [0x1c, (bytes: Uint8Array) => wide(bytes, 4)],
  [0x1e, (bytes: Uint8Array) => wide(bytes, 2)],
]);

/** Short names of attributes (RFC 4514, section 3). The keys are object identifiers, DER in hexadecimal. */
const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ['550403', 'CN'],
  ['550405', 'serialNumber'],
  ['550406', 'C'],
  ['550407', 'L'],
  ['550408', 'ST'],
  ['55040a', 'O'],
  ['55040b', 'OU'],
  ['0992268993f22c640101', 'UID'],
  ['0992268993f22c640119', 'DC'],
]);

const TAG = { oid: 0x06, sequence: 0x30, set: 0x31 } as const;

interface Attribute {
  /** Hexadecimal DER. */
  readonly type: string;
  readonly value: DerElement;
}

/**
 * A text that is the same for equal names. A malformed name, and a value that is not valid text of its type, equals only the same bytes.
 * @param der a Name, with its tag and length
 */
export function canonicalName(der: Uint8Array): string {
  const names = relativeNames(der);
  if (names === undefined) return `#${hex(der)}`;
  return names.map((attributes) => attributes.map(canonicalAttribute).sort().join('+')).join(',');
}

/** Whether two names (DER) are equal. */
export function sameName(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0 || canonicalName(a) === canonicalName(b);
}

/** The name as one line of text: `CN=authority, O=Example`. */
export function distinguishedNameText(der: Uint8Array): string {
  const text = ({ type, value }: Attribute) => `${SHORT_NAMES.get(type) ?? `0x${type}`}=${textOf(value) ?? hex(value.content)}`;
  const names = relativeNames(der);
  if (names === undefined) return `0x${hex(der)}`;
  return printable(names.map((attributes) => attributes.map(text).join(' + ')).join(', '));
}

/** Name ::= SEQUENCE OF SET OF SEQUENCE { type, value } */
function relativeNames(der: Uint8Array): readonly (readonly Attribute[])[] | undefined {
  try {
    return partsOf(der, TAG.sequence).map(({ bytes }) => partsOf(bytes, TAG.set).map(attributeOf));
  } catch {
    return undefined;
  }
}

function attributeOf({ bytes }: DerElement): Attribute {
  const [type, value, ...more] = partsOf(bytes, TAG.sequence);
  if (type?.tag !== TAG.oid || value === undefined || more.length > 0) throw new Error('it is no attribute of a name');
  return { type: hex(type.content), value };
}

function partsOf(der: Uint8Array, tag: number): readonly DerElement[] {
  if (der[0] !== tag) throw new Error('it is no part of a name');
  return derChildren(der);
}

/** The text is in hexadecimal, so that it cannot contain the separators. */
function canonicalAttribute({ type, value }: Attribute): string {
  const text = textOf(value);
  return text === undefined ? `${type}=#${hex(value.bytes)}` : `${type}=${hex(Buffer.from(canonicalText(text)))}`;
}

function canonicalText(text: string): string {
  return text
    .replace(/[\t-\r ]+/g, ' ')
    .replace(/^ | $/g, '')
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function textOf({ tag, content }: DerElement): string | undefined {
  try {
    return TEXT_TYPES.get(tag)?.(content);
  } catch {
    return undefined;
  }
}

function utf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

/** Big-endian code points. */
function wide(bytes: Uint8Array, size: 2 | 4): string {
  if (bytes.length % size !== 0) throw new RangeError('it ends within a character');
  const buffer = Buffer.from(bytes);
  const points = Array.from({ length: bytes.length / size }, (_, index) => buffer.readUIntBE(index * size, size));
  const text = String.fromCodePoint(...points);
  // A surrogate is no character.
  if (!text.isWellFormed() || points.some((point) => point >= 0xd800 && point < 0xe000))
    throw new RangeError('it is not Unicode');
  return text;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
