/** What is different between two contexts, as events. */
import type { Event } from '../events.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { svidWarning } from '../spiffe/verify.ts';
import type { X509Bundle, X509Context, X509Svid } from '../spiffe/x509-context.ts';

/** @param reason why something that is missing in `after` is withdrawn */
export function contextChanges(before: X509Context, after: X509Context, reason: string): readonly Event[] {
  return [...svidChanges(before, after, reason), ...bundleChanges(before, after, reason)];
}

/** Whether two contexts make the same secrets: what comes on one stream often only repeats what came on the other. */
export function sameContext(a: X509Context, b: X509Context): boolean {
  const sameSvid = ({ id, hint, chain }: X509Svid, other: X509Svid | undefined) =>
    id === other?.id && hint === other.hint && chain[0].fingerprint === other.chain[0].fingerprint;
  return (
    a.svids.length === b.svids.length &&
    a.svids.every((svid, index) => sameSvid(svid, b.svids[index])) &&
    a.bundles.size === b.bundles.size &&
    [...b.bundles.values()].every((bundle) => sameBundle(a.bundles.get(bundle.trustDomain), bundle)) &&
    a.crls.length === b.crls.length &&
    a.crls.every((crl) => b.crls.includes(crl))
  );
}

function* svidChanges(before: X509Context, after: X509Context, reason: string): Generator<Event> {
  const known = firstById(before);
  for (const svid of firstById(after).values()) {
    const old = known.get(svid.id);
    known.delete(svid.id);
    if (old?.chain[0].serial !== svid.chain[0].serial)
      yield svidEvent(old === undefined ? 'svid_received' : 'svid_rotated', svid);
  }
  for (const { id } of known.values()) yield { type: 'svid_withdrawn', id, reason };
}

/** Of several SVIDs with one SPIFFE ID only the first is served. */
function firstById({ svids }: X509Context): Map<SpiffeId, X509Svid> {
  const first = new Map<SpiffeId, X509Svid>();
  for (const svid of svids) if (!first.has(svid.id)) first.set(svid.id, svid);
  return first;
}

function svidEvent(type: 'svid_received' | 'svid_rotated', svid: X509Svid): Event {
  const { serial, notAfter } = svid.chain[0];
  const warning = svidWarning(svid);
  return { type, id: svid.id, hint: svid.hint, serial, notAfter, ...(warning === undefined ? {} : { warning }) };
}

function* bundleChanges(before: X509Context, after: X509Context, reason: string): Generator<Event> {
  for (const bundle of after.bundles.values()) {
    const { trustDomain, authorities } = bundle;
    if (sameBundle(before.bundles.get(trustDomain), bundle)) continue;
    const notAfter = Math.max(...authorities.map((authority) => authority.notAfter));
    yield { type: 'bundle_updated', trustDomain, authorities: authorities.length, notAfter };
  }
  for (const trustDomain of before.bundles.keys()) {
    if (!after.bundles.has(trustDomain)) yield { type: 'bundle_withdrawn', trustDomain, reason };
  }
}

/** In whatever order: it is served sorted. */
function sameBundle(before: X509Bundle | undefined, after: X509Bundle): boolean {
  return before !== undefined && includesAll(before, after) && includesAll(after, before);
}

function includesAll(bundle: X509Bundle, other: X509Bundle): boolean {
  const known = new Set(bundle.authorities.map(({ fingerprint }) => fingerprint));
  return other.authorities.every(({ fingerprint }) => known.has(fingerprint));
}
