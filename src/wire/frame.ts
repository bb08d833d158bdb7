/** Messages as they travel (gRPC over HTTP/2, Length-Prefixed-Message): a flag, four bytes of length, the message. */

/** Before each message. */
export const PREFIX_BYTES = 5;
/** Of the flag: it is compressed. */
export const COMPRESSED = 1;

/** A message with its prefix. It may go to many calls. */
export type Frame = Buffer;

/** @param pieces of one message, in order; each is copied once */
export function frameOf(...pieces: readonly Uint8Array[]): Frame {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  // Frames are kept: one from Node's pool would keep 64 KB.
  const frame = Buffer.allocUnsafeSlow(PREFIX_BYTES + length);
  frame[0] = 0;
  frame.writeUInt32BE(length, 1);
  let at = PREFIX_BYTES;
  for (const piece of pieces) {
    frame.set(piece, at);
    at += piece.length;
  }
  return frame;
}
