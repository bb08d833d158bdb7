/** What is trusted now, and what was trusted once: the second must be taken back, for Envoy keeps a bundle until it gets another. */
import { type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { standingOf } from '../spiffe/standing.ts';
import { EMPTY_CONTEXT, type X509Context, type X509Svid } from '../spiffe/x509-context.ts';

export interface Trust {
  readonly context: X509Context;
  /** The trust domain of the first SVID; after it is withdrawn, of the last one there was. */
  readonly own?: TrustDomain;
  /** Trust domains whose bundles were served and are gone. */
  readonly distrusted: ReadonlySet<TrustDomain>;
  /** For each SVID that was not valid when it came, by `svidKey`: the one before it, which is served until then. */
  readonly predecessors: ReadonlyMap<string, X509Svid>;
}

export const NO_TRUST: Trust = { context: EMPTY_CONTEXT, distrusted: new Set(), predecessors: new Map() };

/**
 * The trust after the Workload API said something new.
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

/** The same for SVIDs that follow one another: of one SPIFFE ID there may be several, with different hints. */
export function svidKey({ id, hint }: X509Svid): string {
  return `${id}\0${hint}`;
}

/** A message takes back an SVID that it lacks, but not one whose successor cannot be used yet. */
function predecessorsOf({ context, predecessors }: Trust, { svids }: X509Context, now: number): Trust['predecessors'] {
  const isValid = (svid: X509Svid) => standingOf(svid, now).kind === 'valid';
  const before = [...predecessors.values(), ...context.svids.toReversed()].filter(isValid);
  const byKey = new Map(before.map((svid) => [svidKey(svid), svid]));
  const waiting = svids.filter((svid) => !isValid(svid)).map(svidKey);
  return new Map(waiting.flatMap((key) => [...byKey].filter(([other]) => other === key)));
}
