/** The events about this workload's identities: what is served now, what expired, and what should have been rotated. */
import { leafKeyWarning } from '../envoy/keys.ts';
import type { Event } from '../events.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { nameConstraintProblem } from '../spiffe/x509/name-constraints.ts';
import { type Freshness, freshnessOf } from './expiry.ts';
import type { Identity, ServedSvid } from './identities.ts';

/** What earlier events reported. The next events report only the differences. */
export interface ReportedIdentities {
  /** The last served SVID for each SPIFFE ID; undefined when nothing was served yet. */
  readonly served: ReadonlyMap<SpiffeId, ServedSvid | undefined>;
  /** The SPIFFE IDs for which nothing is served now. */
  readonly unserved: ReadonlySet<SpiffeId>;
  /** The key is the fingerprint of the leaf. */
  readonly freshness: ReadonlyMap<string, Freshness>;
}

/** The state before the first event. */
export const NOTHING_REPORTED: ReportedIdentities = { served: new Map(), unserved: new Set(), freshness: new Map() };

/**
 * The events that describe what changed since `reported`, and the new state to pass to the next call.
 * @param now milliseconds since the epoch
 * @param reason why an identity that is missing now was withdrawn
 */
export function identityEvents(
  reported: ReportedIdentities,
  identities: readonly Identity[],
  now: number,
  reason: string,
): { readonly events: readonly Event[]; readonly reported: ReportedIdentities } {
  const events: Event[] = [];
  const served = new Map<SpiffeId, ServedSvid | undefined>();
  const unserved = new Set<SpiffeId>();
  for (const [id, identity] of byId(identities)) {
    const before = reported.served.get(id);
    served.set(id, identity.served ?? before);
    if (identity.served === undefined) unserved.add(id);
    else events.push(...servedEvents(before, identity.served, reported.unserved.has(id)));
  }
  for (const id of reported.served.keys()) {
    if (!served.has(id)) events.push({ type: 'svid_withdrawn', id, reason });
  }
  const freshness = new Map<string, Freshness>();
  for (const identity of identities) {
    const { fingerprint } = identity.svid.chain[0];
    const current = freshnessOf(identity.standing, now);
    const isNews = !freshness.has(fingerprint) && reported.freshness.get(fingerprint) !== current;
    freshness.set(fingerprint, current);
    if (isNews) events.push(...freshnessEvents(identity, now));
  }
  return { events, reported: { served, unserved, freshness } };
}

/** If several SVIDs have the same SPIFFE ID, the first one that is served counts. */
function byId(identities: readonly Identity[]): ReadonlyMap<SpiffeId, Identity> {
  const found = new Map<SpiffeId, Identity>();
  for (const identity of identities) {
    const before = found.get(identity.svid.id);
    if (before === undefined || (before.served === undefined && identity.served !== undefined))
      found.set(identity.svid.id, identity);
  }
  return found;
}

/** The fingerprint shows whether the SVID was rotated. The serial number does not: two certificates can have the same one. */
function servedEvents(before: ServedSvid | undefined, { svid, chain, path }: ServedSvid, again: boolean): readonly Event[] {
  const { id, hint } = svid;
  const [{ serial, fingerprint }] = chain;
  const content = () => {
    const warning = leafKeyWarning(chain[0]) ?? nameConstraintProblem(path);
    return { id, hint, serial, notAfter: path.notAfter, ...(warning !== undefined && { warning }) };
  };
  if (before === undefined) return [{ type: 'svid_received', ...content() }];
  if (before.chain[0].fingerprint !== fingerprint) return [{ type: 'svid_rotated', ...content() }];
  const isSame =
    before.path.notAfter === path.notAfter &&
    before.chain.length === chain.length &&
    before.chain.every((certificate, index) => certificate === chain[index]);
  if (!isSame) return [{ type: 'svid_chain_changed', ...content() }];
  return again ? [{ type: 'svid_valid', id, serial }] : [];
}

function freshnessEvents({ svid, standing, served }: Identity, now: number): readonly Event[] {
  const { id } = svid;
  const { serial } = svid.chain[0];
  switch (standing.kind) {
    case 'valid':
      if (freshnessOf(standing, now) === 'fresh') return [];
      return [{ type: 'svid_expiring', id, serial, notAfter: standing.path.notAfter }];
    case 'expired':
      return [{ type: 'svid_expired', id, serial, notAfter: standing.at }];
    case 'not_yet_valid': {
      const { from } = standing;
      const meanwhile = served === undefined ? 'nothing' : served.svid === svid ? 'itself' : 'the one before';
      return [{ type: 'svid_not_yet_valid', id, serial, from, inMs: from - now, meanwhile }];
    }
  }
}
