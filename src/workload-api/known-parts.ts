/**
 * What the parts of the last message were read as. Most of a message only repeats the one before it: what has the same bytes is the same
 * value again, and nothing of it is parsed or verified anew. Dates do not count here, whoever serves it judges them by the clock.
 */
import type { Certificate } from '../spiffe/x509/certificate.ts';
import type { X509Bundle, X509Svid } from '../spiffe/x509-context.ts';

export interface KnownBundle<Problem> {
  /** All that its field holds, in order. */
  readonly certificates: readonly Certificate[];
  readonly bundle: X509Bundle;
  /** What was found to be told of. */
  readonly leftOut: readonly Problem[];
}

export interface KnownSvid<Problem> {
  /** All that the field of its chain holds, in order. */
  readonly certificates: readonly Certificate[];
  readonly svid: X509Svid;
  readonly leftOut: readonly Problem[];
}

export interface KnownParts<Problem> {
  /** By SPIFFE ID and hint, as the message has them. */
  readonly svids: ReadonlyMap<string, KnownSvid<Problem>>;
  /** By the name of the trust domain, as the message has it. */
  readonly bundles: ReadonlyMap<string, KnownBundle<Problem>>;
}

export const NOTHING_KNOWN: KnownParts<never> = { svids: new Map(), bundles: new Map() };

/** Whether the bytes are these certificates, one after the other, and nothing else. Copies and hashes nothing. */
export function areBytesOf(bytes: Uint8Array, certificates: readonly Certificate[]): boolean {
  let from = 0;
  for (const { der } of certificates) {
    if (Buffer.compare(der, bytes.subarray(from, from + der.length)) !== 0) return false;
    from += der.length;
  }
  return from === bytes.length;
}
