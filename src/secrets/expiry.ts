/** When an SVID should have been rotated, and when it is over; by the wall clock, which goes on while a machine sleeps. */
import type { X509Svid } from '../spiffe/x509-context.ts';

export type Freshness = 'fresh' | 'expiring' | 'expired';

/** SPIRE rotates at half of an SVID's life; half of what remains then is a reason to worry. */
const ALARM_AT = 0.75;

/** When the last certificate of the chain is over that is over first. Milliseconds since the epoch. */
export function expiryOf({ chain }: X509Svid): number {
  return Math.min(...chain.map(({ notAfter }) => notAfter));
}

/** @param now milliseconds since the epoch */
export function freshnessOf(svid: X509Svid, now: number): Freshness {
  if (now >= expiryOf(svid)) return 'expired';
  return now >= alarmOf(svid) ? 'expiring' : 'fresh';
}

/** The next time at which the freshness of an SVID changes, milliseconds since the epoch; Infinity when it will not. */
export function nextChangeOf(svid: X509Svid, now: number): number {
  return [alarmOf(svid), expiryOf(svid)].find((time) => time > now) ?? Number.POSITIVE_INFINITY;
}

function alarmOf(svid: X509Svid): number {
  const { notBefore } = svid.chain[0];
  return notBefore + (expiryOf(svid) - notBefore) * ALARM_AT;
}
