/** ASN.1 written as it ought to be, and with any tag, so that it can be written as it ought not to be. X.690. */
import { tlv } from '../../../src/spiffe/x509/der-writer.ts';

export { lengthOf, tlv } from '../../../src/spiffe/x509/der-writer.ts';

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

export const sequence = (...content: readonly Uint8Array[]) => tlv(TAG.sequence, ...content);
export const set = (...content: readonly Uint8Array[]) => tlv(TAG.set, ...content);
export const integer = (...bytes: readonly number[]) => tlv(TAG.integer, Uint8Array.from(bytes));
export const boolean = (value: boolean) => tlv(TAG.boolean, Uint8Array.of(value ? 0xff : 0));
export const octetString = (content: Uint8Array) => tlv(TAG.octetString, content);
export const bitString = (content: Uint8Array, unused = 0) => tlv(TAG.bitString, Uint8Array.of(unused), content);
export const text = (tag: number, value: string) => tlv(tag, Buffer.from(value, 'latin1'));
/** [number] EXPLICIT, or IMPLICIT of something constructed. */
export const context = (number: number, ...content: readonly Uint8Array[]) => tlv(0xa0 | number, ...content);
/** [number] IMPLICIT of something primitive. */
export const implicit = (number: number, content: Uint8Array) => tlv(0x80 | number, content);
export const NULL = tlv(TAG.null);

/** @param dotted such as 2.5.29.15 */
export function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return tlv(TAG.oid, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

function base128(value: number): readonly number[] {
  const bytes = [value & 0x7f];
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift(0x80 | (rest & 0x7f));
  return bytes;
}

/** @param wide bytes of each character: 2 is BMPString, 4 UniversalString */
export function wideText(tag: number, value: string, wide: 2 | 4): Buffer {
  const out = Buffer.alloc(value.length * wide);
  for (const [index, character] of [...value].entries()) out.writeUIntBE(character.codePointAt(0) ?? 0, index * wide, wide);
  return tlv(tag, out);
}
