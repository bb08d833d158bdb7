/** ASN.1 DER, as far as it takes to find where one element ends and the next begins. */
import { messageOf } from '../../error.ts';

const SEQUENCE = 0x30;
const BIT_STRING = 3;
const CONSTRUCTED = 0x20;
/** The tag goes on in the next bytes. */
const LONG_TAG = 0x1f;

export interface DerElement {
  readonly tag: number;
  /** With its tag and length. */
  readonly bytes: Uint8Array;
  readonly content: Uint8Array;
}

/** Views of the same memory, and why they do not go on to its end. */
export interface SplitDer {
  readonly parts: readonly Uint8Array[];
  readonly problem?: string;
}

/** Splits concatenated DER SEQUENCEs, as the Workload API carries chains and bundles, as far as they go. */
export function splitDer(bytes: Uint8Array): SplitDer {
  const parts: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; ) {
    if (bytes[start] !== SEQUENCE) return { parts, problem: `byte ${start} does not begin an ASN.1 SEQUENCE` };
    try {
      const { to } = extent(bytes, start);
      parts.push(bytes.subarray(start, to));
      start = to;
    } catch (error) {
      return { parts, problem: messageOf(error) };
    }
  }
  return { parts };
}

/**
 * What is in a SEQUENCE, as views of the same memory.
 * @throws RangeError naming the byte where the structure ends being DER, or where another element follows
 */
export function derChildren(sequence: Uint8Array): readonly DerElement[] {
  const [outer, second] = elementsOf(sequence);
  if (second !== undefined) throw new RangeError(`byte ${outer?.bytes.length} begins another element`);
  return outer === undefined ? [] : elementsOf(outer.content);
}

/**
 * Concatenated elements of any type, as views of the same memory.
 * @throws RangeError naming the byte where the structure ends being DER
 */
export function elementsOf(bytes: Uint8Array): readonly DerElement[] {
  return elements(bytes, () => undefined);
}

/**
 * Walks through all that is in there. OpenSSL forgives what is not DER (X.690, section 10); BoringSSL does not.
 * @throws RangeError naming the byte, in its element, where the structure ends being DER
 */
export function checkDer(bytes: Uint8Array): void {
  const check = (tag: number, start: number) => {
    if ((tag & LONG_TAG) === LONG_TAG) throw new RangeError(`the tag at byte ${start} is none that is used`);
  };
  for (const { tag, content } of elements(bytes, check)) {
    if ((tag & CONSTRUCTED) !== 0) checkDer(content);
    if (tag === BIT_STRING && !isBitString(content)) throw new RangeError('a BIT STRING does not end as it says');
  }
}

/** X.690, section 11.2.1: the first byte of the content says how many bits at the end do not count, which are zero then. */
export function isBitString(content: Uint8Array): boolean {
  const [unused = 8] = content;
  const last = content.length > 1 ? (content.at(-1) ?? 0) : 0;
  return unused < 8 && (content.length > 1 || unused === 0) && (last & ((1 << unused) - 1)) === 0;
}

function elements(bytes: Uint8Array, check: (tag: number, start: number) => void): readonly DerElement[] {
  const found: DerElement[] = [];
  for (let start = 0; start < bytes.length; ) {
    const tag = bytes[start] ?? 0;
    check(tag, start);
    const { from, to } = extent(bytes, start);
    found.push({ tag, bytes: bytes.subarray(start, to), content: bytes.subarray(from, to) });
    start = to;
  }
  return found;
}

function extent(bytes: Uint8Array, start: number): { readonly from: number; readonly to: number } {
  return { from: contentStart(bytes, start), to: elementEnd(bytes, start, bytes.length) };
}

/** Where the content of the element at `start` begins: for whoever walks through a long list without an object for each element. */
export function contentStart(bytes: Uint8Array, start: number): number {
  const first = bytes[start + 1] ?? 0;
  return start + 2 + (first < 0x80 ? 0 : first & 0x7f);
}

/**
 * Where the element at `start` ends.
 * @param limit where what it is in ends
 * @throws RangeError naming the byte, when its length is not DER or goes beyond the limit
 */
export function elementEnd(bytes: Uint8Array, start: number, limit: number): number {
  const first = bytes[start + 1] ?? 0;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || lengthBytes > 4) throw new RangeError(`byte ${start + 1} is not a DER length`);
  let length = lengthBytes === 0 ? first : 0;
  for (let i = 0; i < lengthBytes; i++) length = length * 256 + (bytes[start + 2 + i] ?? 0);
  if (lengthBytes > 0 && length < Math.max(0x80, 256 ** (lengthBytes - 1)))
    throw new RangeError(`the length at byte ${start + 1} is not the shortest, as DER wants it`);
  const to = start + 2 + lengthBytes + length;
  if (to > limit) throw new RangeError(`the element at byte ${start} says it ends at ${to}, but there are ${limit} bytes`);
  return to;
}
