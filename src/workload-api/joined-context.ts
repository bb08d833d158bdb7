/** What several Workload APIs say, as one context. The order is theirs in the configuration: of what two give, the first is used. */
import type { Conflict } from '../events.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts';
import { EMPTY_CONTEXT, type X509Bundle, type X509Context, type X509Svid } from '../spiffe/x509-context.ts';
import { sameBundle } from './changes.ts';

/** What one Workload API says. */
export interface SaidContext {
  readonly address: string;
  readonly context: X509Context;
}

export interface JoinedContext {
  readonly context: X509Context;
  /** What is left out, because another Workload API before it gives something else. */
  readonly conflicts: readonly Conflict[];
}

/** @param said one or more; one alone is the context as it is */
export function joinContexts(said: readonly SaidContext[]): JoinedContext {
  const contexts = said.filter(({ context }) => context !== EMPTY_CONTEXT);
  const [only] = contexts;
  if (only === undefined || contexts.length === 1) return { context: only?.context ?? EMPTY_CONTEXT, conflicts: [] };
  const svids = joinSvids(contexts);
  const bundles = joinBundles(contexts);
  return {
    context: { svids: svids.joined, bundles: bundles.joined, crls: joinCrls(contexts) },
    conflicts: [...svids.conflicts, ...bundles.conflicts],
  };
}

/** One Workload API may give several SVIDs of one SPIFFE ID, with their hints. */
function joinSvids(said: readonly SaidContext[]): { joined: readonly X509Svid[]; conflicts: readonly Conflict[] } {
  const owners = new Map<SpiffeId, SaidContext>();
  const joined: X509Svid[] = [];
  const conflicts = new Map<string, Conflict>();
  for (const one of said) {
    for (const svid of one.context.svids) {
      const owner = owners.get(svid.id) ?? one;
      owners.set(svid.id, owner);
      if (owner === one) joined.push(svid);
      else if (!owner.context.svids.some((other) => isSame(other, svid)))
        conflicts.set(`${svid.id} ${one.address}`, { of: 'svid', name: svid.id, used: owner.address, left: one.address });
    }
  }
  return { joined, conflicts: [...conflicts.values()] };
}

function isSame(a: X509Svid, b: X509Svid): boolean {
  return a.id === b.id && a.chain[0].fingerprint === b.chain[0].fingerprint;
}

function joinBundles(said: readonly SaidContext[]): {
  joined: ReadonlyMap<TrustDomain, X509Bundle>;
  conflicts: readonly Conflict[];
} {
  const owners = new Map<TrustDomain, string>();
  const joined = new Map<TrustDomain, X509Bundle>();
  const conflicts: Conflict[] = [];
  for (const { address, context } of said) {
    for (const [trustDomain, bundle] of context.bundles) {
      const used = joined.get(trustDomain);
      if (used === undefined) {
        joined.set(trustDomain, bundle);
        owners.set(trustDomain, address);
      } else if (!sameBundle(used, bundle)) {
        conflicts.push({ of: 'bundle', name: trustDomain, used: owners.get(trustDomain) ?? '', left: address });
      }
    }
  }
  return { joined, conflicts };
}

/** Each once, also when two sent the same. */
function joinCrls(said: readonly SaidContext[]): X509Context['crls'] {
  const crls = said.flatMap(({ context }) => context.crls);
  return crls.filter((crl, place) => crls.findIndex(({ der }) => Buffer.compare(der, crl.der) === 0) === place);
}
