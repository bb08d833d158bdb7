/** What a Workload API says of this workload's X.509 identities, verified: plain values, newest state. */

import type { Crl } from './crl/crl.ts';
import type { SpiffeId, TrustDomain } from './spiffe-id.ts';
import type { Certificate } from './x509/certificate.ts';

export interface X509Svid {
  readonly id: SpiffeId;
  /** What the registration said this SVID is for; empty when it said nothing. */
  readonly hint: string;
  /** Leaf first, at least one. */
  readonly chain: readonly [Certificate, ...Certificate[]];
  /** Of the bundle that it came with: what it is verified against. */
  readonly authorities: X509Bundle['authorities'];
  /** PKCS#8 DER. */
  readonly privateKey: Uint8Array;
}

export interface X509Bundle {
  readonly trustDomain: TrustDomain;
  readonly authorities: readonly [Certificate, ...Certificate[]];
}

export interface X509Context {
  /** The first is the default identity. Empty: nothing is entrusted to this workload. */
  readonly svids: readonly X509Svid[];
  /** By trust domain: the SVIDs' own and the federated ones. */
  readonly bundles: ReadonlyMap<TrustDomain, X509Bundle>;
  /** Of any trust domain, not vetted. */
  readonly crls: readonly Crl[];
}

export const EMPTY_CONTEXT: X509Context = { svids: [], bundles: new Map(), crls: [] };
