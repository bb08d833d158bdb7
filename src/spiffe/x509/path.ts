/** Certification paths: from a leaf through intermediates to an authority (RFC 5280, section 6.1). */
import type { Certificate } from './certificate.ts';

/** A path from a leaf to an authority. */
export interface Path {
  /** Leaf first, without the authority. */
  readonly certificates: readonly [Certificate, ...Certificate[]];
  readonly authority: Certificate;
  /** The latest notBefore on the path, including the authority, in milliseconds since the epoch. */
  readonly notBefore: number;
  /** The earliest notAfter on the path, including the authority, in milliseconds since the epoch. */
  readonly notAfter: number;
}

/** A path that has not reached an authority yet. */
interface Partial {
  readonly certificates: Path['certificates'];
  /** The certificate that the next one on the path must have signed. */
  readonly last: Certificate;
  readonly notAfter: number;
}

/**
 * Finds the path with the latest end; if several have the same end, the shortest. Undefined when there is no path.
 * @param chain leaf first; the others may stand in any order, and need not be on the path
 * @param at uses only certificates that are valid at this time, in milliseconds since the epoch. Default: dates do not count
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
  // The best end with which each intermediate was reached. Worse paths are dropped: if all certificates sign each other, there are n! paths.
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

/**
 * Whether the certificate is valid at a time; its notAfter is the first time at which it is not.
 * @param at milliseconds since the epoch
 */
export function isValidAt({ notBefore, notAfter }: Certificate, at: number): boolean {
  return notBefore <= at && at < notAfter;
}

/**
 * Whether `issuer` signed `subject` and was allowed to. Without a key usage extension it is allowed (RFC 5280, section 6.1.4 (n)). The
 * caller checks that the issuer is a CA: for an authority of a bundle only its name and key count (section 6.1.1 (d)).
 * @param casBelow how many CAs are between the two on the path
 */
export function signs(issuer: Certificate, subject: Certificate, casBelow: number): boolean {
  return (
    issuer.keyUsage?.keyCertSign !== false &&
    (issuer.pathLength === undefined || casBelow <= issuer.pathLength) &&
    hasSigned(issuer, subject)
  );
}

/** Whether the certificate is signed with its own key: every path through it ends there. */
export function isSelfSigned(certificate: Certificate): boolean {
  return hasSigned(certificate, certificate);
}

const verdicts = new WeakMap<Certificate, WeakMap<Certificate, boolean>>();

/** Verifies a signature once for as long as both certificates are in use. */
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
