/** What the development Workload API serves at one moment, and the messages that say so. Each message is the full state. */
import type { JSONWebKeySet } from 'jose';
import type { JWTBundlesResponse, X509BundlesResponse, X509SVIDResponse } from '../gen/messages.ts';
import { type SpiffeId, type TrustDomain, trustDomainId } from '../spiffe/spiffe-id.ts';
import type { DevAuthority, DevSvid } from './authority.ts';

export interface WorkloadState {
  readonly trustDomain: TrustDomain;
  /** All that are in the trust bundle, oldest first. */
  readonly authorities: readonly DevAuthority[];
  /** The one of them that signs. */
  readonly active: DevAuthority;
  readonly identities: readonly ServedIdentity[];
  readonly federated: ReadonlyMap<TrustDomain, DevAuthority>;
  readonly revoked: readonly DevSvid[];
  /** ASN.1 DER; none until something was revoked. */
  readonly crls: readonly Uint8Array[];
}

export interface ServedIdentity {
  readonly spiffeId: SpiffeId;
  readonly hint: string;
  readonly svid: DevSvid;
}

export function x509SvidResponse(state: WorkloadState): X509SVIDResponse {
  const bundle = x509Bundle(state.authorities);
  return {
    svids: state.identities.map(({ spiffeId, hint, svid }) => ({
      spiffe_id: spiffeId,
      x509_svid: Buffer.concat(svid.chain),
      x509_svid_key: svid.privateKey,
      bundle,
      hint,
    })),
    crl: state.crls,
    federated_bundles: byTrustDomain(federatedAuthorities(state), x509Bundle),
  };
}

export function x509BundlesResponse(state: WorkloadState): X509BundlesResponse {
  return { crl: state.crls, bundles: byTrustDomain(allAuthorities(state), x509Bundle) };
}

export function jwtBundlesResponse(state: WorkloadState): JWTBundlesResponse {
  return { bundles: byTrustDomain(allAuthorities(state), (authorities) => Buffer.from(JSON.stringify(jwks(authorities)))) };
}

/** The JWT keys of a trust domain; undefined when it is neither our own nor federated. */
export function jwksOf(state: WorkloadState, trustDomain: TrustDomain): JSONWebKeySet | undefined {
  const authorities = allAuthorities(state).get(trustDomain);
  return authorities && jwks(authorities);
}

type Authorities = ReadonlyMap<TrustDomain, readonly DevAuthority[]>;

function federatedAuthorities(state: WorkloadState): Authorities {
  return new Map([...state.federated].map(([trustDomain, authority]) => [trustDomain, [authority]]));
}

function allAuthorities(state: WorkloadState): Authorities {
  return new Map([[state.trustDomain, state.authorities], ...federatedAuthorities(state)]);
}

function byTrustDomain(
  all: Authorities,
  bundle: (authorities: readonly DevAuthority[]) => Uint8Array,
): Record<string, Uint8Array> {
  return Object.fromEntries([...all].map(([trustDomain, authorities]) => [trustDomainId(trustDomain), bundle(authorities)]));
}

function x509Bundle(authorities: readonly DevAuthority[]): Uint8Array {
  return Buffer.concat(authorities.map((authority) => authority.certificate));
}

function jwks(authorities: readonly DevAuthority[]): JSONWebKeySet {
  return { keys: authorities.map((authority) => authority.jwt.publicKey) };
}
