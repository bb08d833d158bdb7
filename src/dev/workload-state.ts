/** What the development Workload API serves at one moment, and its messages. Each message is the full state. */
import type { JWTBundlesResponse, X509BundlesResponse, X509SVIDResponse } from '../gen/messages.ts';
import type { JwtBundle } from '../spiffe/jwt/jwt-bundle.ts';
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

/** Processes of a user, one process, or a pod, by the uid that Kubernetes gave it. */
export type DevSelector = { readonly uid: number } | { readonly pid: number } | DevPod;

/** A process that a broker is asked about. */
export interface DevProcess {
  readonly uid: number;
  readonly pid: number;
}

/** A pod that a broker is asked about. */
export interface DevPod {
  readonly pod: string;
}

export interface ServedIdentity {
  readonly spiffeId: SpiffeId;
  readonly hint: string;
  /** Absent: whoever asks the Workload API. */
  readonly of?: DevSelector;
  readonly svid: DevSvid;
}

/** The same with the identities of one workload. @param workload absent: of whoever asks the Workload API */
export function servedTo(state: WorkloadState, workload?: DevProcess | DevPod): WorkloadState {
  return { ...state, identities: state.identities.filter(({ of }) => isMeant(of, workload)) };
}

function isMeant(of: DevSelector | undefined, workload: DevProcess | DevPod | undefined): boolean {
  if (of === undefined || workload === undefined) return of === undefined && workload === undefined;
  if ('pod' in of || 'pod' in workload) return 'pod' in of && 'pod' in workload && of.pod === workload.pod;
  return 'uid' in of ? of.uid === workload.uid : of.pid === workload.pid;
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
  // As SPIRE does: a "use" that standard libraries do not know would keep them from the key.
  const documentOf = (authorities: readonly DevAuthority[]) =>
    Buffer.from(JSON.stringify({ keys: authorities.map(({ jwt: { publicKey } }) => ({ ...publicKey, use: undefined })) }));
  return { bundles: byTrustDomain(allAuthorities(state), documentOf) };
}

/** The JWT keys of a trust domain; undefined when it is neither our own nor federated. */
export function jwtBundleOf(state: WorkloadState, trustDomain: TrustDomain): JwtBundle | undefined {
  const [first, ...rest] = allAuthorities(state).get(trustDomain) ?? [];
  return first && { trustDomain, keys: [first.jwt.publicKey, ...rest.map(({ jwt }) => jwt.publicKey)] };
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
