/** How names are given when the operator says nothing. */
import type { NamedSecret, Naming, SvidChoice, ValidationPolicy } from '../../../src/secrets/naming.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';

export const NAMING: Naming = {
  default_svid: 'default',
  default_bundle: 'ROOTCA',
  default_all_bundles: 'ALL',
  prefixes: [],
  secrets: [],
  jwt_audiences: [],
  crl: true,
  unsafe_merge: false,
};

/** A validation secret of the operator's own. */
export function policy(
  name: string,
  trust_domains: readonly string[] | undefined,
  more: Partial<ValidationPolicy> = {},
): NamedSecret {
  return { name, validation: { trust_domains: trust_domains?.map(parseTrustDomain), match: [], ...more } };
}

/** A certificate of the operator's own naming. */
export function identity(name: string, choice: { readonly hint: string } | { readonly spiffe_id: string }): NamedSecret {
  const svid: SvidChoice = 'hint' in choice ? choice : { spiffe_id: parseSpiffeId(choice.spiffe_id) };
  return { name, svid };
}
