/** Three trust domains, what a Workload API may say of them, and the secrets that come of it. */
import type { X509SVID } from '../../../src/gen/messages.ts';
import type { Naming } from '../../../src/secrets/naming.ts';
import { createSecretSet, type SecretSet } from '../../../src/secrets/secret-set.ts';
import { NO_TRUST, nextTrust } from '../../../src/secrets/trust.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { makeThrowawayAuthority } from '../../../src/spiffe/throwaway-authority.ts';
import type { X509Context } from '../../../src/spiffe/x509-context.ts';
import { readContext } from '../../../src/workload-api/context.ts';
import { type BundleMessages, responseWith, svidMessage } from '../workload-api/workload-messages.ts';
import { HOUR, type Issued, issueAuthority, issueLeaf, NOW } from '../x509/certificates.ts';
import { NAMING } from './naming.ts';
import { sha256 } from './secret-content.ts';

export const OWN = 'spiffe://example.org';
export const PARTNER = 'spiffe://partner.test';
export const OTHER = 'spiffe://other.test';
export const WEB = `${OWN}/web`;
export const API = `${OWN}/api`;

export const reader = new CertificateReader();
export const own = await issueAuthority({ name: 'own', notAfter: NOW + 24 * HOUR });
export const partner = await issueAuthority({ name: 'partner' });
export const other = await issueAuthority({ name: 'other' });
export const web = svidMessage(WEB, [await issueLeaf(own, WEB)], [own]);
export const api = svidMessage(API, [await issueLeaf(own, API)], [own]);
/** Federation with both others. */
export const BOTH: BundleMessages = { [PARTNER]: partner.der, [OTHER]: other.der };

/** DER of the CA that trusts nobody. */
export const throwaway = makeThrowawayAuthority();
/** Of the CA that trusts nobody. */
export const NOBODY = sha256(throwaway);

export const fingerprintOf = ({ der }: Issued) => sha256(der);

export function contextOf(
  svids: readonly X509SVID[],
  federated: BundleMessages = {},
  crls: readonly Uint8Array[] = [],
): X509Context {
  return readContext(responseWith(svids, federated, crls), reader).context;
}

/** What is served after these contexts, one after the other. */
export function setAfter(contexts: readonly X509Context[], naming: Partial<Naming> = {}, now = NOW): SecretSet {
  return createSecretSet(
    contexts.reduce((trust, context) => nextTrust(trust, context, now), NO_TRUST),
    { ...NAMING, ...naming },
    { now, throwawayAuthority: () => throwaway },
  );
}
