/** This workload's identities at one point in time, and which certificate is served for each. */

import { type Standing, shownChain, standingOf } from '../spiffe/standing.ts';
import type { Certificate } from '../spiffe/x509/certificate.ts';
import type { Path } from '../spiffe/x509/path.ts';
import type { X509Svid } from '../spiffe/x509-context.ts';
import { svidKey, type Trust } from './trust.ts';

/**
 * A certificate that begins at most this many milliseconds in the future is served at once if there is no other. The local clock is
 * probably slow: Envoy loads the certificate, and peers whose clocks are right accept it. A peer with the same slow clock refuses it, but
 * that peer could not connect to a workload without a certificate either.
 */
export const MAX_SKEW_MS = 60_000;

/** One SVID of the newest context, and what is served for it. */
export interface Identity {
  /** The SVID in the newest message of the Workload API. */
  readonly svid: X509Svid;
  readonly standing: Standing;
  /** Absent when nothing is served for this identity. */
  readonly served?: ServedSvid;
}

/** The certificate chain that Envoy gets for an identity. */
export interface ServedSvid {
  /** The newest SVID, or its predecessor while the newest is not valid. */
  readonly svid: X509Svid;
  /** The certificates that Envoy shows to peers, leaf first. */
  readonly chain: readonly [Certificate, ...Certificate[]];
  readonly path: Path;
}

/** The last result for each trust: several callers ask with the same `now`. */
const lastResults = new WeakMap<Trust, { readonly now: number; readonly identities: readonly Identity[] }>();

/**
 * One identity for each SVID of the context, in the same order.
 * @param now milliseconds since the epoch
 */
export function identitiesOf(trust: Trust, now: number): readonly Identity[] {
  const last = lastResults.get(trust);
  if (last?.now === now) return last.identities;
  const identities = trust.context.svids.map((svid) => identityOf(svid, trust, now));
  lastResults.set(trust, { now, identities });
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
