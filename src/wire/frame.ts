/** Messages as they travel (gRPC over HTTP/2, Length-Prefixed-Message): a flag, four bytes of length, the message. */

/** Before each message. */
export const PREFIX_BYTES = 5;
/** Of the flag: it is compressed. */
export const COMPRESSED = 1;

/** A message with its prefix. It may go to many calls. */
export type Frame = Buffer;

/** @param pieces of one message, in order; each is copied once */
export function frameOf(...pieces: readonly Uint8Array[]): Frame {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(
    pieces.reduce((sum, { length }) => sum + length, 0),
    1,
  );
  return Buffer.concat([prefix, ...pieces]);
}
