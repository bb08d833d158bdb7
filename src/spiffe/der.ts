/** Concatenated ASN.1 DER, as the Workload API carries chains and bundles. */

const SEQUENCE = 0x30;

/**
 * Splits concatenated DER SEQUENCEs into views of the same memory.
 * @throws RangeError naming the byte where the structure ends being DER
 */
export function splitDer(bytes: Uint8Array): readonly Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = sequenceEnd(bytes, start);
    parts.push(bytes.subarray(start, end));
    start = end;
  }
  return parts;
}

function sequenceEnd(bytes: Uint8Array, start: number): number {
  if (bytes[start] !== SEQUENCE) throw new RangeError(`byte ${start} does not begin an ASN.1 SEQUENCE`);
  const first = bytes[start + 1] ?? 0;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || lengthBytes > 4) throw new RangeError(`byte ${start + 1} is not a DER length`);
  let length = lengthBytes === 0 ? first : 0;
  for (let i = 0; i < lengthBytes; i++) length = length * 256 + (bytes[start + 2 + i] ?? 0);
  if (lengthBytes > 0 && length < Math.max(0x80, 256 ** (lengthBytes - 1)))
    throw new RangeError(`the length at byte ${start + 1} is not the shortest, as DER wants it`);
  const end = start + 2 + lengthBytes + length;
  if (end > bytes.length)
    throw new RangeError(`the element at byte ${start} says it ends at ${end}, but there are ${bytes.length} bytes`);
  return end;
}
