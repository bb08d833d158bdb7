/**
 * Selects the CRLs that are sent with a bundle. Envoy loads an expired or foreign CRL without an error and then refuses every peer. If there
 * is any CRL, Envoy also refuses every peer whose CA has none.
 */

import type { Crl } from '../spiffe/crl/crl.ts';
import type { Certificate } from '../spiffe/x509/certificate.ts';

/** The CRLs for one bundle. */
export interface VettedCrls {
  /** One for each CA, or empty. */
  readonly crls: readonly Crl[];
  /** Why no CRL is sent although the Workload API sent some for this trust domain. */
  readonly problem?: string;
}

/**
 * The CRLs to send with a bundle: the newest valid one of each CA, or none if a CA has no valid one.
 * @param issuers the bundle's authorities, and the known intermediate CAs of their trust domain
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

/**
 * A CA for which Envoy could use the CRL of another CA; undefined when there is none. Envoy selects a CRL only by name and key identifier,
 * and would refuse the peers of one of the two CAs.
 */
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
