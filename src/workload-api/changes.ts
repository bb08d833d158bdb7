/** The differences between two contexts. */
import { bundleWarning } from '../envoy/authorities.ts';
import type { Event } from '../events.ts';
import type { Certificate } from '../spiffe/x509/certificate.ts';
import type { X509Bundle, X509Context, X509Svid } from '../spiffe/x509-context.ts';

/** Whether two contexts give the same secrets. A message on one stream often only repeats what the other stream has sent. */
export function sameContext(a: X509Context, b: X509Context): boolean {
  return (
    a.svids.length === b.svids.length &&
    a.svids.every((svid, index) => sameSvid(svid, b.svids[index])) &&
    a.bundles.size === b.bundles.size &&
    [...b.bundles.values()].every((bundle) => sameBundle(a.bundles.get(bundle.trustDomain), bundle)) &&
    a.crls.length === b.crls.length &&
    a.crls.every((crl) => b.crls.includes(crl))
  );
}

/** Compares the whole chain, because Envoy gets the intermediates, too. */
function sameSvid(a: X509Svid, b: X509Svid | undefined): boolean {
  if (a === b) return true;
  return (
    a.id === b?.id &&
    a.hint === b.hint &&
    a.chain.length === b.chain.length &&
    a.chain.every(({ fingerprint }, index) => fingerprint === b.chain[index]?.fingerprint) &&
    sameCertificates(a.authorities, b.authorities)
  );
}

/**
 * The events for bundles that were added, changed or withdrawn.
 * @param reason why a bundle that is missing in `after` was withdrawn
 */
export function* bundleChanges(before: X509Context, after: X509Context, reason: string): Generator<Event> {
  for (const bundle of after.bundles.values()) {
    const { trustDomain, authorities } = bundle;
    if (sameBundle(before.bundles.get(trustDomain), bundle)) continue;
    const notAfter = Math.max(...authorities.map((authority) => authority.notAfter));
    const warning = bundleWarning(authorities);
    yield {
      type: 'bundle_updated',
      trustDomain,
      authorities: authorities.length,
      notAfter,
      ...(warning !== undefined && { warning }),
    };
  }
  for (const trustDomain of before.bundles.keys()) {
    if (!after.bundles.has(trustDomain)) yield { type: 'bundle_withdrawn', trustDomain, reason };
  }
}

/** Whether both have the same authorities. */
export function sameBundle(before: X509Bundle | undefined, after: X509Bundle): boolean {
  return before !== undefined && sameCertificates(before.authorities, after.authorities);
}

/** The order does not count, because bundles are served sorted. */
function sameCertificates(a: readonly Certificate[], b: readonly Certificate[]): boolean {
  return a === b || (includesAll(a, b) && includesAll(b, a));
}

function includesAll(certificates: readonly Certificate[], others: readonly Certificate[]): boolean {
  const known = new Set(certificates.map(({ fingerprint }) => fingerprint));
  return others.every(({ fingerprint }) => known.has(fingerprint));
}
