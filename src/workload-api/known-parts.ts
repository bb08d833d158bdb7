/**
 * The values that were read from the parts of the last message. Most of a message repeats the previous one: a part with the same bytes
 * gives the same value, without parsing or verification. Dates are checked later, when the value is served.
 */
import type { Certificate } from '../spiffe/x509/certificate.ts';
import type { X509Bundle, X509Svid } from '../spiffe/x509-context.ts';

/** A bundle of the last message. */
export interface KnownBundle<Problem> {
  /** All certificates of its field, in order. */
  readonly certificates: readonly Certificate[];
  readonly bundle: X509Bundle;
  /** The problems that were found when it was read. */
  readonly leftOut: readonly Problem[];
}

/** An SVID of the last message. */
export interface KnownSvid<Problem> {
  /** All certificates of the field `x509_svid`, in order. */
  readonly certificates: readonly Certificate[];
  readonly svid: X509Svid;
  readonly leftOut: readonly Problem[];
}

/** The parts of the last message. */
export interface KnownParts<Problem> {
  /** The key is the SPIFFE ID and hint, as written in the message. */
  readonly svids: ReadonlyMap<string, KnownSvid<Problem>>;
  /** The key is the name of the trust domain, as written in the message. */
  readonly bundles: ReadonlyMap<string, KnownBundle<Problem>>;
}

/** The parts before the first message. */
export const NOTHING_KNOWN: KnownParts<never> = { svids: new Map(), bundles: new Map() };

/** Whether the bytes are exactly these certificates, concatenated. It does not copy or hash anything. */
export function areBytesOf(bytes: Uint8Array, certificates: readonly Certificate[]): boolean {
  let from = 0;
  for (const { der } of certificates) {
    if (Buffer.compare(der, bytes.subarray(from, from + der.length)) !== 0) return false;
    from += der.length;
  }
  return from === bytes.length;
}
