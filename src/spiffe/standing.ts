/**
 * Whether an X509-SVID is valid at one point in time. Only the path from its leaf to an authority counts, not the other certificates that
 * came with it. The result is computed for each `now`, because the wall clock can be corrected in either direction.
 */
import type { Certificate } from './x509/certificate.ts';
import { findPath, isValidAt, type Path, signs } from './x509/path.ts';
import type { X509Svid } from './x509-context.ts';

/** The validity of an SVID at one point in time. */
export type Standing =
  /** A path exists, and all its certificates are valid. */
  | { readonly kind: 'valid'; readonly path: Path }
  /** The path becomes valid at `from`, in milliseconds since the epoch. */
  | { readonly kind: 'not_yet_valid'; readonly path: Path; readonly from: number }
  /** The path was valid until `at`, in milliseconds since the epoch. */
  | { readonly kind: 'expired'; readonly at: number };

/** The last result for each SVID: several callers ask with the same `now`. */
const standings = new WeakMap<X509Svid, { readonly now: number; readonly standing: Standing }>();

/**
 * The standing of a verified SVID.
 * @param now milliseconds since the epoch
 */
export function standingOf(svid: X509Svid, now: number): Standing {
  const last = standings.get(svid);
  if (last?.now === now) return last.standing;
  const standing = computeStanding(svid, now);
  standings.set(svid, { now, standing });
  return standing;
}

function computeStanding(svid: X509Svid, now: number): Standing {
  const { chain, authorities } = svid;
  const path = findPath(chain, authorities, now);
  if (path !== undefined) return { kind: 'valid', path };
  for (const from of timesOf(svid).filter((time) => time > now)) {
    const later = findPath(chain, authorities, from);
    if (later !== undefined) return { kind: 'not_yet_valid', path: later, from };
  }
  return { kind: 'expired', at: Math.min(now, findPath(chain, authorities)?.notAfter ?? now) };
}

/** The times at which a certificate of the chain or bundle begins or ends, ascending, without duplicates. Between them the standing is constant. */
export function timesOf({ chain, authorities }: X509Svid): readonly number[] {
  const times = [...chain, ...authorities].flatMap(({ notBefore, notAfter }) => [notBefore, notAfter]);
  return [...new Set(times)].sort((a, b) => a - b);
}

/**
 * The chain to show to peers: the path, then the other valid certificates that extend it, for peers that trust another authority. It
 * contains no expired certificate, which would break handshakes, and none that signed nothing in the chain.
 * @param now milliseconds since the epoch
 */
export function shownChain({ chain }: X509Svid, { certificates }: Path, now: number): Path['certificates'] {
  const shown: [Certificate, ...Certificate[]] = [...certificates];
  const others = chain.filter((certificate) => !shown.includes(certificate) && certificate.isCa && isValidAt(certificate, now));
  for (let found = true; found; ) {
    const next = others.find((issuer) => !shown.includes(issuer) && shown.some((subject) => signs(issuer, subject, 0)));
    found = next !== undefined;
    if (next !== undefined) shown.push(next);
  }
  return shown;
}
