/** Certification paths: from a leaf over intermediates to an authority. RFC 5280, section 6.1. */
import type { Certificate } from './certificate.ts';

export interface Path {
  /** Leaf first, without the authority. */
  readonly certificates: readonly [Certificate, ...Certificate[]];
  readonly authority: Certificate;
  /** When the last of its certificates begins, the authority included. Milliseconds since the epoch. */
  readonly notBefore: number;
  /** When the first of its certificates ends, the authority included. Milliseconds since the epoch. */
  readonly notAfter: number;
}

/** A path that does not lead to an authority yet. */
interface Partial {
  readonly certificates: Path['certificates'];
  /** The one that the next certificate has to sign. */
  readonly last: Certificate;
  readonly notAfter: number;
}

/**
 * The path that is valid for longest, and of several such paths the shortest.
 * @param chain leaf first; the others may stand in any order, and need not be on the path
 * @param at only certificates that are valid then, milliseconds since the epoch; absent: whenever they are valid
 */
export function findPath(
  chain: readonly [Certificate, ...Certificate[]],
  authorities: readonly Certificate[],
  at?: number,
): Path | undefined {
  const isUsable = (certificate: Certificate) => at === undefined || isValidAt(certificate, at);
  const [leaf, ...rest] = chain;
  if (!isUsable(leaf)) return undefined;
  const intermediates = rest.filter((certificate) => certificate.isCa && isUsable(certificate));
  const anchors = authorities.filter(isUsable);
  let best: Path | undefined;
  let level: readonly Partial[] = [{ certificates: [leaf], last: leaf, notAfter: leaf.notAfter }];
  // The latest end with which each intermediate was reached: of certificates that all sign one another there are factorially many paths.
  const reached = new Map<Certificate, number>();
  for (let casBelow = 0; level.length > 0; casBelow++) {
    const next = new Map<Certificate, Partial>();
    for (const partial of level) {
      for (const authority of anchors) {
        const notAfter = Math.min(partial.notAfter, authority.notAfter);
        if ((best === undefined || notAfter > best.notAfter) && signs(authority, partial.last, casBelow))
          best = complete(partial, authority, notAfter);
      }
      for (const issuer of intermediates) {
        const notAfter = Math.min(partial.notAfter, issuer.notAfter);
        if (notAfter <= (reached.get(issuer) ?? Number.NEGATIVE_INFINITY) || !signs(issuer, partial.last, casBelow)) continue;
        reached.set(issuer, notAfter);
        next.set(issuer, { certificates: [...partial.certificates, issuer], last: issuer, notAfter });
      }
    }
    level = [...next.values()];
  }
  return best;
}

function complete({ certificates }: Partial, authority: Certificate, notAfter: number): Path {
  const notBefore = Math.max(authority.notBefore, ...certificates.map((certificate) => certificate.notBefore));
  return { certificates, authority, notBefore, notAfter };
}

/** @param at milliseconds since the epoch */
export function isValidAt({ notBefore, notAfter }: Certificate, at: number): boolean {
  return notBefore <= at && at < notAfter;
}

/**
 * Whether `issuer` has signed `subject` and may do so. A key usage that is absent forbids nothing (RFC 5280, section 6.1.4 (n)). Whether it
 * is a CA at all is the caller's to know: an authority of a bundle is trusted as a name and a key (section 6.1.1 (d)).
 * @param casBelow how many CAs stand between the two on the path
 */
export function signs(issuer: Certificate, subject: Certificate, casBelow: number): boolean {
  return (
    issuer.keyUsage?.keyCertSign !== false &&
    (issuer.pathLength === undefined || casBelow <= issuer.pathLength) &&
    hasSigned(issuer, subject)
  );
}

/** Whether it is the end of every path that it stands on. */
export function isSelfSigned(certificate: Certificate): boolean {
  return hasSigned(certificate, certificate);
}

const verdicts = new WeakMap<Certificate, WeakMap<Certificate, boolean>>();

/** Looks at the signature once for as long as both certificates are in use. */
function hasSigned(issuer: Certificate, subject: Certificate): boolean {
  const known = verdicts.get(issuer) ?? new WeakMap<Certificate, boolean>();
  verdicts.set(issuer, known);
  let verdict = known.get(subject);
  if (verdict === undefined) {
    verdict = subject.x509.checkIssued(issuer.x509) && subject.x509.verify(issuer.x509.publicKey);
    known.set(subject, verdict);
  }
  return verdict;
}
