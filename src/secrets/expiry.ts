/** How close an SVID is to its expiry. The wall clock decides, because it goes on while a machine sleeps. */

import { type Standing, timesOf } from '../spiffe/standing.ts';
import type { Path } from '../spiffe/x509/path.ts';
import type { X509Svid } from '../spiffe/x509-context.ts';

export type Freshness =
  /** A certificate on the path begins in the future. */
  | 'not_yet_valid'
  /** Valid, and not due for an alarm. */
  | 'fresh'
  /** Valid, but the Workload API should have rotated it before now. */
  | 'expiring'
  /** A certificate on the path has ended. */
  | 'expired';

/** SPIRE rotates an SVID at half of its lifetime. The alarm comes at three quarters, so SPIRE has had time to retry. */
const ALARM_AT = 0.75;

/**
 * How fresh an SVID with this standing is.
 * @param now milliseconds since the epoch
 */
export function freshnessOf(standing: Standing, now: number): Freshness {
  if (standing.kind !== 'valid') return standing.kind;
  return now >= alarmOf(standing.path) ? 'expiring' : 'fresh';
}

/** The next time at which the standing or freshness of an SVID may change, in milliseconds since the epoch; Infinity if it never will. */
export function nextChangeOf(svid: X509Svid, standing: Standing, now: number): number {
  const times = standing.kind === 'valid' ? [alarmOf(standing.path), ...timesOf(svid)] : timesOf(svid);
  return Math.min(...times.filter((time) => time > now));
}

function alarmOf({ certificates: [{ notBefore }], notAfter }: Path): number {
  return notBefore + (notAfter - notBefore) * ALARM_AT;
}
