/**
 * Which CRLs go out beside a bundle. Envoy takes an expired or foreign one without a word and then refuses every peer, and once there is
 * one it refuses every peer whose CA has none.
 */

import type { Crl } from '../spiffe/crl/crl.ts';
import type { Certificate } from '../spiffe/x509/certificate.ts';

export interface VettedCrls {
  /** One for each CA, or none at all. */
  readonly crls: readonly Crl[];
  /** Why there are none although the Workload API sent some for this trust domain. */
  readonly problem?: string;
}

/**
 * The lists to send along with a bundle: the newest valid one of each CA, if each has one.
 * @param issuers the bundle's authorities, and the intermediate CAs that are known of their trust domain
 * @param now milliseconds since the epoch
 */
export function vetCrls(issuers: readonly Certificate[], crls: readonly Crl[], now: number): VettedCrls {
  const living = issuers.filter(({ notAfter }) => notAfter > now);
  const found = living.map((authority) => ({ authority, lists: crls.filter((crl) => crl.isSignedBy(authority)) }));
  if (found.every(({ lists }) => lists.length === 0)) return { crls: [] };
  const vetted: Crl[] = [];
  for (const { authority, lists } of found) {
    const meant = lists.filter((crl) => crl.means(authority));
    const [newest] = meant.filter((crl) => isCurrent(crl, now)).sort((a, b) => b.thisUpdate - a.thisUpdate);
    if (newest === undefined) {
      const why = whyNone(lists, meant);
      return none(`its CA ${authority.serial} ${why}, and with a list for some of them Envoy refuses the peers of the others`);
    }
    vetted.push(newest);
  }
  const mistaken = mistakenFor(living, vetted);
  if (mistaken !== undefined) {
    return none(
      `Envoy cannot tell the list of its CA ${mistaken.serial} from that of another CA of the same name: they need authority key identifiers`,
    );
  }
  return { crls: vetted };
}

/** A CA for whose list Envoy may take that of another, and then refuse the peers of one of both: it looks by name and key identifier only. */
export function mistakenFor(issuers: readonly Certificate[], crls: readonly Crl[]): Certificate | undefined {
  return issuers.find((authority) => crls.some((crl) => crl.means(authority) && !crl.isSignedBy(authority)));
}

function none(problem: string): VettedCrls {
  return { crls: [], problem };
}

function isCurrent({ thisUpdate, nextUpdate }: Crl, now: number): boolean {
  return thisUpdate <= now && now < nextUpdate;
}

function whyNone(lists: readonly Crl[], meant: readonly Crl[]): string {
  if (lists.length === 0) return 'has none';
  return meant.length === 0 ? 'has none whose authority key identifier is its own' : 'has none that is current';
}
