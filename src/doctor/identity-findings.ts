/** What is wrong with certificates that the Workload API gives: their dates, keys and CRLs. */
import { isoTime } from '../clock.ts';
import type { KnownIdentity } from './facts.ts';
import type { Suspicion } from './finding.ts';

/** The dates of the leaf are good, so those of what is above it are not. */
export function noPath({ id }: KnownIdentity): Suspicion {
  return {
    id: 'identity.no_path',
    severity: 'broken',
    what: `The Workload API gives ${id}, and no authority above it is valid now: it has expired, or it begins later.`,
    why: 'Nothing is served: every peer would refuse it.',
    fix: 'spire-server bundle show | openssl x509 -noout -subject -dates',
  };
}

/** A newer certificate that came just now may be on its way through the sidecar. */
export const GRACE_MS = 10_000;

export function staleSidecar({ id, serial }: KnownIdentity): Suspicion {
  return {
    id: 'sidecar.stale',
    severity: 'broken',
    what: `The Workload API has a newer certificate of ${id} (serial ${serial}) than the sidecar serves, whose own has expired.`,
    why: 'Peers refuse an expired certificate.',
    fix: 'Restart the sidecar, and please report its log: it should have followed.',
  };
}

export function dates(identities: readonly KnownIdentity[], now: number): readonly Suspicion[] {
  return identities.flatMap(({ id, notBefore, notAfter }) => {
    if (notBefore > now) return [clockBehind(id, notBefore, now)];
    return notAfter <= now ? [expired(id, notAfter, now, true)] : [];
  });
}

export function clockBehind(id: string, from: number, now: number): Suspicion {
  return {
    id: 'clock.behind',
    severity: 'broken',
    what: `${id} begins at ${isoTime(from)}, and this machine's clock says ${isoTime(now)}: it is behind, or that of the CA is ahead.`,
    why: 'Nothing is served in its place until then.',
    fix: 'timedatectl set-ntp true',
  };
}

/** @param fromTheStart whether it had expired when it came: a new certificate is not old, so the clock is suspected */
export function expired(id: string, notAfter: number, now: number, fromTheStart: boolean): Suspicion {
  const why = 'Peers refuse an expired certificate: every new connection fails.';
  if (fromTheStart)
    return {
      id: 'clock.ahead',
      severity: 'broken',
      what: `${id} had expired when it came: it ended at ${isoTime(notAfter)}, and this machine's clock says ${isoTime(now)}. The clock is ahead, or the agent hands out what it kept.`,
      why,
      fix: 'timedatectl set-ntp true',
    };
  return {
    id: 'identity.expired',
    severity: 'broken',
    what: `${id} has expired at ${isoTime(notAfter)}, and the Workload API has sent no newer certificate.`,
    why,
    fix: 'Look at the log of the SPIFFE agent: can it reach its server? (SPIRE: spire-agent healthcheck -verbose)',
    explainedBy: ['sidecar.stale', 'workload_api.message_unusable', 'clock.ahead'],
  };
}

export function keyType(id: string, warning: string): Suspicion {
  return {
    id: 'identity.key_type',
    severity: 'warning',
    what: `${id}: ${warning}`,
    why: 'An Envoy at the other end may refuse this certificate.',
    fix: 'Let the CA issue P-256 keys (SPIRE: workload_x509_svid_key_type = "ec-p256" in agent.conf).',
  };
}

export function crls(expiredCrls: readonly string[]): readonly Suspicion[] {
  return expiredCrls.map((crl) => ({
    id: 'crl.expired',
    severity: 'broken',
    what: `The CRL of ${crl}.`,
    why: 'Revoked certificates are accepted again.',
    fix: 'Let the CA publish a new CRL.',
  }));
}
