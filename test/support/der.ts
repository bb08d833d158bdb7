/** ASN.1 DER put together from its parts. */

/** An element; its length as short as DER wants it. */
export function der(tag: number, ...parts: readonly (Uint8Array | readonly number[])[]): Buffer {
  const content = Buffer.concat(parts.map((part) => (part instanceof Uint8Array ? part : Uint8Array.from(part))));
  return Buffer.concat([Uint8Array.of(tag), lengthOf(content.length), content]);
}

export function lengthOf(bytes: number): Uint8Array {
  if (bytes < 0x80) return Uint8Array.of(bytes);
  const digits = Buffer.from(
    bytes.toString(16).padStart(bytes.toString(16).length + (bytes.toString(16).length % 2), '0'),
    'hex',
  );
  return Buffer.concat([Uint8Array.of(0x80 | digits.length), digits]);
}
