/** The changes of what the development Workload API serves. Each makes a new state and leaves the old one as it is. */
import type { Clock } from '../clock.ts';
import { SpiffeSdsError } from '../error.ts';
import { parseSpiffeId, pathOf, type SpiffeId, type TrustDomain, trustDomainId } from '../spiffe/spiffe-id.ts';
import { createAuthority, type DevAuthority, type DevSvid, issueCrls, issueX509Svid } from './authority.ts';
import type { DevSelector, ServedIdentity, WorkloadState } from './workload-state.ts';

export interface DevIdentity {
  /** `/web` stands for spiffe://<trust domain>/web. */
  readonly path: string;
  readonly hint?: string;
  /** Whose it is, as a broker is told; absent: whoever asks the Workload API. */
  readonly of?: DevSelector;
}

/** How authorities and SVIDs are made. */
export interface Issuance {
  readonly clock: Clock;
  readonly svidTtlMs: number;
  readonly caTtlMs: number;
  readonly intermediate: boolean;
  /** In every SVID. */
  readonly dnsNames: readonly string[];
}

/** @throws SpiffeSdsError `spiffe_id_invalid` */
export function workloadId(trustDomain: TrustDomain, path: string): SpiffeId {
  const id = parseSpiffeId(`${trustDomainId(trustDomain)}${path}`);
  if (path === '' || pathOf(id) !== path) {
    throw new SpiffeSdsError('spiffe_id_invalid', `not the path of a SPIFFE ID: ${JSON.stringify(path)}: it must begin with "/"`);
  }
  return id;
}

export function newAuthority(issuance: Issuance, trustDomain: TrustDomain): Promise<DevAuthority> {
  return createAuthority(trustDomain, { now: issuance.clock.now(), ttlMs: issuance.caTtlMs }, issuance.intermediate);
}

export function newSvid(issuance: Issuance, authority: DevAuthority, spiffeId: SpiffeId): Promise<DevSvid> {
  return issueX509Svid(authority, spiffeId, { now: issuance.clock.now(), ttlMs: issuance.svidTtlMs }, issuance.dnsNames);
}

/** Authorities, and no identities yet. */
export async function initialState(
  issuance: Issuance,
  trustDomain: TrustDomain,
  federated: readonly TrustDomain[],
): Promise<WorkloadState> {
  const active = await newAuthority(issuance, trustDomain);
  const others = await Promise.all(federated.map(async (name) => [name, await newAuthority(issuance, name)] as const));
  return { trustDomain, authorities: [active], active, identities: [], federated: new Map(others), revoked: [], crls: [] };
}

/** Every identity gets a new key and certificate. */
export async function rotated(issuance: Issuance, state: WorkloadState): Promise<WorkloadState> {
  const reissue = async (identity: ServedIdentity) => ({
    ...identity,
    svid: await newSvid(issuance, state.active, identity.spiffeId),
  });
  return { ...state, identities: await Promise.all(state.identities.map(reissue)) };
}

/** These identities from now on; one that was served before keeps its SVID. */
export async function withIdentities(
  issuance: Issuance,
  state: WorkloadState,
  identities: readonly DevIdentity[],
): Promise<WorkloadState> {
  const served = async ({ path, hint = '', of }: DevIdentity): Promise<ServedIdentity> => {
    const spiffeId = workloadId(state.trustDomain, path);
    const before = state.identities.find((identity) => identity.spiffeId === spiffeId);
    const svid = before?.svid ?? (await newSvid(issuance, state.active, spiffeId));
    return { spiffeId, hint, svid, ...(of && { of }) };
  };
  return { ...state, identities: await Promise.all(identities.map(served)) };
}

/** A new authority joins the bundle; the active one goes on signing. */
export async function authorityPrepared(issuance: Issuance, state: WorkloadState): Promise<WorkloadState> {
  return { ...state, authorities: [...state.authorities, await newAuthority(issuance, state.trustDomain)] };
}

/** The newest authority signs from now on, and has signed every SVID. */
export function authorityActivated(issuance: Issuance, state: WorkloadState): Promise<WorkloadState> {
  return rotated(issuance, { ...state, active: state.authorities.at(-1) as DevAuthority });
}

/** What the rotation timer does: new SVIDs, and one step of replacing an old authority. */
export async function renewed(issuance: Issuance, state: WorkloadState): Promise<WorkloadState> {
  const now = issuance.clock.now();
  const aged = (authority: DevAuthority) => now >= (authority.notBefore + authority.notAfter) / 2;
  const federated = await Promise.all(
    [...state.federated].map(
      async ([name, authority]) => [name, aged(authority) ? await newAuthority(issuance, name) : authority] as const,
    ),
  );
  const valid = state.authorities.filter((authority) => authority.notAfter > now || authority === state.active);
  const current = { ...state, authorities: valid, federated: new Map(federated) };
  if (valid.at(-1) !== state.active) return authorityActivated(issuance, current);
  return rotated(issuance, aged(state.active) ? await authorityPrepared(issuance, current) : current);
}

/** CRLs of all authorities in the bundle, once something was revoked: a verifier that has one CRL needs one of each authority. */
export async function withCrls(issuance: Issuance, state: WorkloadState): Promise<WorkloadState> {
  if (state.revoked.length === 0) return state;
  const now = issuance.clock.now();
  const crls = await Promise.all(state.authorities.map((authority) => issueCrls(authority, state.revoked, now)));
  return { ...state, crls: crls.flat() };
}
