/** Changes the CA in two steps: Envoy gets the new bundles first and keeps its old certificates until the second step. */

import { trustDomainOf } from '../spiffe/spiffe-id.ts';
import { standingOf } from '../spiffe/standing.ts';
import { isVerified } from '../spiffe/verify.ts';
import type { X509Context } from '../spiffe/x509-context.ts';
import type { SecretSet } from './secret-set.ts';

/**
 * Whether a peer that has only the bundles of `before` would refuse an SVID of `after`.
 * @param now milliseconds since the epoch
 */
export function needsBundleFirst(before: X509Context, after: X509Context, now: number): boolean {
  const served = new Set(before.svids.map(({ chain: [leaf] }) => leaf.fingerprint));
  return after.svids.some((svid) => {
    const bundle = before.bundles.get(trustDomainOf(svid.id));
    const standing = standingOf(svid, now);
    const at = standing.kind === 'not_yet_valid' ? standing.from : now;
    return bundle !== undefined && !served.has(svid.chain[0].fingerprint) && !isVerified(svid, bundle, at);
  });
}

/** The first step: the validation contexts of `newest` with the certificates of `served`. A certificate that `served` lacks is the new one. */
export function stageBundles(served: SecretSet, newest: SecretSet): SecretSet {
  return {
    ...newest,
    get(name, form, without) {
      const secret = newest.get(name, form, without);
      if (secret?.kind !== 'tls_certificate') return secret;
      const before = served.get(name, form);
      return before?.kind === 'tls_certificate' ? before : secret;
    },
  };
}
