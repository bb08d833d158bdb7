/** When an SVID should have been rotated, and when it is over; by the wall clock, which goes on while a machine sleeps. */

import { type Standing, timesOf } from '../spiffe/standing.ts';
import type { Path } from '../spiffe/x509/path.ts';
import type { X509Svid } from '../spiffe/x509-context.ts';

export type Freshness = 'not_yet_valid' | 'fresh' | 'expiring' | 'expired';

/** SPIRE rotates at half of an SVID's life; half of what remains then is a reason to worry. */
const ALARM_AT = 0.75;

/** @param now milliseconds since the epoch */
export function freshnessOf(standing: Standing, now: number): Freshness {
  if (standing.kind !== 'valid') return standing.kind;
  return now >= alarmOf(standing.path) ? 'expiring' : 'fresh';
}

/** The next time at which something about an SVID may change, milliseconds since the epoch; Infinity when nothing will. */
export function nextChangeOf(svid: X509Svid, standing: Standing, now: number): number {
  const times = standing.kind === 'valid' ? [alarmOf(standing.path), ...timesOf(svid)] : timesOf(svid);
  return Math.min(...times.filter((time) => time > now));
}

function alarmOf({ certificates: [{ notBefore }], notAfter }: Path): number {
  return notBefore + (notAfter - notBefore) * ALARM_AT;
}
