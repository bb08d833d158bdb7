/** What is trusted now, and what was trusted once: the second must be taken back, for Envoy keeps a bundle until it gets another. */
import { type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { EMPTY_CONTEXT, type X509Context } from '../spiffe/x509-context.ts';

export interface Trust {
  readonly context: X509Context;
  /** The trust domain of the first SVID; after it is withdrawn, of the last one there was. */
  readonly own?: TrustDomain;
  /** Trust domains whose bundles were served and are gone. */
  readonly distrusted: ReadonlySet<TrustDomain>;
}

export const NO_TRUST: Trust = { context: EMPTY_CONTEXT, distrusted: new Set() };

/** The trust after the Workload API said something new. */
export function nextTrust(before: Trust, context: X509Context): Trust {
  const distrusted = new Set(
    [...before.distrusted, ...before.context.bundles.keys()].filter((name) => !context.bundles.has(name)),
  );
  const [first] = context.svids;
  const own = first === undefined ? before.own : trustDomainOf(first.id);
  return { context, distrusted, ...(own !== undefined && { own }) };
}
