/** This workload's identities as they stand at a certain time: which certificate is served for each, and what is to be told of it. */

import { type Standing, shownChain, standingOf } from '../spiffe/standing.ts';
import type { Certificate } from '../spiffe/x509/certificate.ts';
import type { Path } from '../spiffe/x509/path.ts';
import type { X509Svid } from '../spiffe/x509-context.ts';
import { svidKey, type Trust } from './trust.ts';

/**
 * How far in the future a certificate may begin that is served at once when there is no other. Envoy loads it, and peers whose clocks are
 * right accept it; peers with the same slow clock refuse it until then, as they would a workload that has nothing.
 */
export const MAX_SKEW_MS = 60_000;

export interface Identity {
  /** As the Workload API says it now. */
  readonly svid: X509Svid;
  readonly standing: Standing;
  /** Absent: nothing is. */
  readonly served?: ServedSvid;
}

export interface ServedSvid {
  /** The newest, or the one before it while the newest is not valid. */
  readonly svid: X509Svid;
  /** What is shown to peers, leaf first. */
  readonly chain: readonly [Certificate, ...Certificate[]];
  readonly path: Path;
}

/** The last of each trust: several ask at one look at the clock. */
const judged = new WeakMap<Trust, { readonly now: number; readonly identities: readonly Identity[] }>();

/** One for each SVID of the context, in its order. */
export function identitiesOf(trust: Trust, now: number): readonly Identity[] {
  const last = judged.get(trust);
  if (last?.now === now) return last.identities;
  const identities = trust.context.svids.map((svid) => identityOf(svid, trust, now));
  judged.set(trust, { now, identities });
  return identities;
}

function identityOf(svid: X509Svid, { predecessors }: Trust, now: number): Identity {
  const standing = standingOf(svid, now);
  const predecessor = predecessors.get(svidKey(svid));
  const served = servedNow(svid, now) ?? (predecessor && servedNow(predecessor, now)) ?? servedEarly(svid, standing, now);
  return { svid, standing, ...(served && { served }) };
}

function servedNow(svid: X509Svid, now: number): ServedSvid | undefined {
  const standing = standingOf(svid, now);
  return standing.kind === 'valid' ? servedBy(svid, standing.path, now) : undefined;
}

function servedEarly(svid: X509Svid, standing: Standing, now: number): ServedSvid | undefined {
  const isSoon = standing.kind === 'not_yet_valid' && standing.from - now <= MAX_SKEW_MS;
  return isSoon ? servedBy(svid, standing.path, standing.from) : undefined;
}

function servedBy(svid: X509Svid, path: Path, at: number): ServedSvid {
  return { svid, chain: shownChain(svid, path, at), path };
}
