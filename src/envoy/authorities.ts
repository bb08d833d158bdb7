/** Selects the authorities of a bundle that Envoy gets, and warns about those that Envoy cannot use. */
import type { Certificate } from '../spiffe/x509/certificate.ts';
import { canonicalName } from '../spiffe/x509/distinguished-name.ts';
import { isSelfSigned, isValidAt } from '../spiffe/x509/path.ts';
import { authorityKeyWarning } from './keys.ts';

/**
 * Leaves out an authority that is not valid now if a valid one has the same name and key. Envoy picks one of the two by their order and
 * ignores the dates: handshakes fail on 1.38 – 1.40 when the expired one is first, and on 1.36 – 1.37 when the new one is first. Other
 * authorities are sent even if they are not valid, because Envoy checks the dates itself.
 * @param now milliseconds since the epoch
 */
export function sentAuthorities(authorities: readonly Certificate[], now: number): readonly Certificate[] {
  const valid = new Set(authorities.filter((authority) => isValidAt(authority, now)).map(identityOf));
  return authorities.filter((authority) => isValidAt(authority, now) || !valid.has(identityOf(authority)));
}

/** The earliest time at which the result of `sentAuthorities` may change, in milliseconds since the epoch; Infinity if never. */
export function nextAuthorityChange(authorities: readonly Certificate[], now: number): number {
  const counts = new Map<string, number>();
  for (const authority of authorities) counts.set(identityOf(authority), (counts.get(identityOf(authority)) ?? 0) + 1);
  const twins = authorities.filter((authority) => (counts.get(identityOf(authority)) ?? 0) > 1);
  return Math.min(...twins.flatMap(({ notBefore, notAfter }) => [notBefore, notAfter]).filter((time) => time > now));
}

/** Warns about authorities that Envoy loads without an error but cannot verify a peer with; undefined when there are none. */
export function bundleWarning(authorities: readonly Certificate[]): string | undefined {
  const warnings = authorities.map(authorityKeyWarning).filter((warning) => warning !== undefined);
  if (!authorities.some(isSelfSigned))
    warnings.unshift(
      "it has no self-signed root, without which Envoy's SPIFFE validator accepts none of its peers: add the root, or set validation.mode to trusted_ca",
    );
  return warnings.length === 0 ? undefined : warnings.join('; ');
}

const identities = new WeakMap<Certificate, string>();

/** A text that is the same for certificates with the same name and key. */
function identityOf(authority: Certificate): string {
  let identity = identities.get(authority);
  if (identity === undefined) {
    identity = `${canonicalName(authority.subject)} ${Buffer.from(authority.spki).toString('base64')}`;
    identities.set(authority, identity);
  }
  return identity;
}
