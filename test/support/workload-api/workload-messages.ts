/** Messages of a Workload API, well or badly made. */
import type { X509BundlesResponse, X509SVID, X509SVIDResponse } from '../../../src/gen/messages.ts';
import { concatenated, type Issued } from '../x509/certificates.ts';

/** The first certificate of `chain` is the leaf. */
export function svidMessage(
  spiffe_id: string,
  chain: readonly [Issued, ...Issued[]],
  bundle: readonly Issued[],
  change: Partial<X509SVID> = {},
): X509SVID {
  return {
    spiffe_id,
    x509_svid: concatenated(chain),
    x509_svid_key: chain[0].privateKey,
    bundle: concatenated(bundle),
    hint: '',
    ...change,
  };
}

/** Bundles by what the Workload API calls their trust domain. */
export type BundleMessages = Readonly<Record<string, Uint8Array>>;

export function responseWith(
  svids: readonly X509SVID[],
  federated: BundleMessages = {},
  crl: readonly Uint8Array[] = [],
): X509SVIDResponse {
  return { svids, crl, federated_bundles: federated };
}

export function bundlesWith(bundles: BundleMessages, crl: readonly Uint8Array[] = []): X509BundlesResponse {
  return { bundles, crl };
}
