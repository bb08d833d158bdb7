/** The verified X.509 identities and bundles of this workload, from the newest messages of the Workload API. */

import type { Crl } from './crl/crl.ts';
import type { SpiffeId, TrustDomain } from './spiffe-id.ts';
import type { Certificate } from './x509/certificate.ts';

/** One X509-SVID with its private key. */
export interface X509Svid {
  readonly id: SpiffeId;
  /** The operator's hint what this SVID is for; empty when there is none (Workload API specification, section 5.2.1). */
  readonly hint: string;
  /** Leaf first, at least one. */
  readonly chain: readonly [Certificate, ...Certificate[]];
  /** The authorities of its trust domain's bundle, against which it was verified. */
  readonly authorities: X509Bundle['authorities'];
  /** PKCS#8 DER. */
  readonly privateKey: Uint8Array;
}

/** The authorities of one trust domain. */
export interface X509Bundle {
  readonly trustDomain: TrustDomain;
  readonly authorities: readonly [Certificate, ...Certificate[]];
}

/** All that the Workload API says about X.509 at one moment. */
export interface X509Context {
  /** The first one is the default identity. Empty when this workload has no identity. */
  readonly svids: readonly X509Svid[];
  /** The bundles of the SVIDs' trust domains and of federated ones. */
  readonly bundles: ReadonlyMap<TrustDomain, X509Bundle>;
  /** CRLs of all trust domains. Their signatures and dates are not checked yet. */
  readonly crls: readonly Crl[];
}

/** No identities and no bundles. */
export const EMPTY_CONTEXT: X509Context = { svids: [], bundles: new Map(), crls: [] };
