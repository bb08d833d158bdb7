/** Which authorities of a bundle are sent to Envoy, and what it cannot do with them. */
import type { Certificate } from '../spiffe/x509/certificate.ts';
import { canonicalName } from '../spiffe/x509/distinguished-name.ts';
import { isSelfSigned, isValidAt } from '../spiffe/x509/path.ts';
import { authorityKeyWarning } from './keys.ts';

/**
 * Without those that are not valid now while another of the same name and key is. Envoy's path builder takes one of the two by their order,
 * whether it is valid or not: with the expired one first, handshakes fail on 1.38 – 1.40, with the new one first on 1.36 – 1.37. One that
 * has no such twin is sent: whether it is valid, Envoy sees by itself.
 * @param now milliseconds since the epoch
 */
export function sentAuthorities(authorities: readonly Certificate[], now: number): readonly Certificate[] {
  const valid = new Set(authorities.filter((authority) => isValidAt(authority, now)).map(identityOf));
  return authorities.filter((authority) => isValidAt(authority, now) || !valid.has(identityOf(authority)));
}

/** The next time at which others are sent, at the earliest: milliseconds since the epoch; Infinity when that will not happen. */
export function nextAuthorityChange(authorities: readonly Certificate[], now: number): number {
  const counts = new Map<string, number>();
  for (const authority of authorities) counts.set(identityOf(authority), (counts.get(identityOf(authority)) ?? 0) + 1);
  const twins = authorities.filter((authority) => (counts.get(identityOf(authority)) ?? 0) > 1);
  return Math.min(...twins.flatMap(({ notBefore, notAfter }) => [notBefore, notAfter]).filter((time) => time > now));
}

/** What Envoy takes without a word, but cannot verify a peer with; undefined when there is nothing to say. */
export function bundleWarning(authorities: readonly Certificate[]): string | undefined {
  const warnings = authorities.map(authorityKeyWarning).filter((warning) => warning !== undefined);
  if (!authorities.some(isSelfSigned))
    warnings.unshift(
      "it has no self-signed root, without which Envoy's SPIFFE validator accepts none of its peers: add the root, or set validation.mode to trusted_ca",
    );
  return warnings.length === 0 ? undefined : warnings.join('; ');
}

const identities = new WeakMap<Certificate, string>();

/** The same for certificates of one name and key. */
function identityOf(authority: Certificate): string {
  let identity = identities.get(authority);
  if (identity === undefined) {
    const key = authority.x509.publicKey.export({ type: 'spki', format: 'der' });
    identity = `${canonicalName(authority.subject)} ${key.toString('base64')}`;
    identities.set(authority, identity);
  }
  return identity;
}
