/** Reads ASN.1 DER elements: where each begins and ends (X.690, section 10). */
import { messageOf } from '../../error.ts';

const SEQUENCE = 0x30;
const BIT_STRING = 3;
const CONSTRUCTED = 0x20;
/** These bits say that the tag continues in the next bytes. */
const LONG_TAG = 0x1f;

export interface DerElement {
  readonly tag: number;
  /** The element with its tag and length. */
  readonly bytes: Uint8Array;
  readonly content: Uint8Array;
}

/** The parts as views of the same memory, and why the rest could not be split. */
export interface SplitDer {
  readonly parts: readonly Uint8Array[];
  readonly problem?: string;
}

/** Splits concatenated DER SEQUENCEs: the form of chains and bundles in the Workload API. It stops at the first malformed one. */
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
 * The elements in a SEQUENCE, as views of the same memory.
 * @throws RangeError when it is not DER or another element follows; the message names the byte
 */
export function derChildren(sequence: Uint8Array): readonly DerElement[] {
  const [outer, second] = elementsOf(sequence);
  if (second !== undefined) throw new RangeError(`byte ${outer?.bytes.length} begins another element`);
  return outer === undefined ? [] : elementsOf(outer.content);
}

/**
 * Splits concatenated elements of any type, as views of the same memory.
 * @throws RangeError when they are not DER; the message names the byte
 */
export function elementsOf(bytes: Uint8Array): readonly DerElement[] {
  return elements(bytes, () => undefined);
}

/**
 * Checks all nested elements. OpenSSL accepts some encodings that are not DER (X.690, section 10), BoringSSL does not.
 * @throws RangeError when an element is not DER; the message names the byte within that element
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

/** X.690, section 11.2.1: the first byte of the content is the number of unused bits at the end, and these bits must be zero. */
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

/** Where the content of the element at `start` begins. With this, a caller can read a long list without an object for each element. */
export function contentStart(bytes: Uint8Array, start: number): number {
  const first = bytes[start + 1] ?? 0;
  return start + 2 + (first < 0x80 ? 0 : first & 0x7f);
}

/**
 * Where the element at `start` ends.
 * @param limit where the enclosing element ends
 * @throws RangeError when the length is not DER or goes beyond the limit; the message names the byte
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
