/** Which trust domains are trusted now, and which were. A withdrawn bundle must be replaced, because Envoy keeps a bundle until it gets another. */
import { type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { standingOf } from '../spiffe/standing.ts';
import { EMPTY_CONTEXT, type X509Context, type X509Svid } from '../spiffe/x509-context.ts';

/** The newest context together with what must be remembered from earlier ones. */
export interface Trust {
  readonly context: X509Context;
  /** The trust domain of the first SVID. When all SVIDs are withdrawn, it stays what it was. */
  readonly own?: TrustDomain;
  /** Trust domains whose bundles were served and then withdrawn. */
  readonly distrusted: ReadonlySet<TrustDomain>;
  /** For each SVID that was not valid when it arrived: its predecessor, which is served until the new one is valid. Keys: `svidKey`. */
  readonly predecessors: ReadonlyMap<string, X509Svid>;
}

/** The trust before the first message of the Workload API. */
export const NO_TRUST: Trust = { context: EMPTY_CONTEXT, distrusted: new Set(), predecessors: new Map() };

/**
 * The trust after the Workload API sent a new context.
 * @param now milliseconds since the epoch
 */
export function nextTrust(before: Trust, context: X509Context, now: number): Trust {
  const distrusted = new Set(
    [...before.distrusted, ...before.context.bundles.keys()].filter((name) => !context.bundles.has(name)),
  );
  const [first] = context.svids;
  const own = first === undefined ? before.own : trustDomainOf(first.id);
  return { context, distrusted, predecessors: predecessorsOf(before, context, now), ...(own !== undefined && { own }) };
}

/** An SVID and its successor have the same key. The hint belongs to the key, because several SVIDs can have the same SPIFFE ID. */
export function svidKey({ id, hint }: X509Svid): string {
  return `${id}\0${hint}`;
}

/** A context withdraws an SVID that it lacks. But if it has a successor that is not valid yet, the old SVID stays in use. */
function predecessorsOf({ context, predecessors }: Trust, { svids }: X509Context, now: number): Trust['predecessors'] {
  const isValid = (svid: X509Svid) => standingOf(svid, now).kind === 'valid';
  const before = [...predecessors.values(), ...context.svids.toReversed()].filter(isValid);
  const byKey = new Map(before.map((svid) => [svidKey(svid), svid]));
  const waiting = svids.filter((svid) => !isValid(svid)).map(svidKey);
  return new Map(waiting.flatMap((key) => [...byKey].filter(([other]) => other === key)));
}
