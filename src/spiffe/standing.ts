/**
 * What an X509-SVID is worth at a certain time. It is judged by the path from its leaf to an authority, not by what lies beside that path,
 * and it is judged again whenever somebody asks: what the clock decided, a clock that is put right decides again.
 */
import type { Certificate } from './x509/certificate.ts';
import { findPath, isValidAt, type Path, signs } from './x509/path.ts';
import type { X509Svid } from './x509-context.ts';

export type Standing =
  /** There is a path of certificates that are all valid. */
  | { readonly kind: 'valid'; readonly path: Path }
  /** There will be one, from then on: milliseconds since the epoch. */
  | { readonly kind: 'not_yet_valid'; readonly path: Path; readonly from: number }
  /** There was one, until then: milliseconds since the epoch. */
  | { readonly kind: 'expired'; readonly at: number };

/** The last of each SVID: several ask at one look at the clock. */
const standings = new WeakMap<X509Svid, { readonly now: number; readonly standing: Standing }>();

/** @param now milliseconds since the epoch */
export function standingOf(svid: X509Svid, now: number): Standing {
  const last = standings.get(svid);
  if (last?.now === now) return last.standing;
  const standing = judge(svid, now);
  standings.set(svid, { now, standing });
  return standing;
}

function judge(svid: X509Svid, now: number): Standing {
  const { chain, authorities } = svid;
  const path = findPath(chain, authorities, now);
  if (path !== undefined) return { kind: 'valid', path };
  for (const from of timesOf(svid).filter((time) => time > now)) {
    const later = findPath(chain, authorities, from);
    if (later !== undefined) return { kind: 'not_yet_valid', path: later, from };
  }
  return { kind: 'expired', at: Math.min(now, findPath(chain, authorities)?.notAfter ?? now) };
}

/** When certificates of its chain or of its bundle begin or end: in between, nothing about it changes. Ascending, each once. */
export function timesOf({ chain, authorities }: X509Svid): readonly number[] {
  const times = [...chain, ...authorities].flatMap(({ notBefore, notAfter }) => [notBefore, notAfter]);
  return [...new Set(times)].sort((a, b) => a - b);
}

/**
 * What to show a peer: the path, then what else came and is valid and leads on from there, for peers that trust another authority. An
 * expired certificate that stands first breaks handshakes, and a certificate that signs nothing helps nobody.
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
