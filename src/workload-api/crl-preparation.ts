/**
 * Reads large CRLs and verifies their signatures before their message is processed. A CRL can have hundreds of thousands of entries, which
 * would block the event loop for too long. The results are cached, so processing the message is fast afterwards.
 */
import type { X509BundlesResponse, X509SVIDResponse } from '../gen/messages.ts';
import type { CertificateReader } from '../spiffe/certificate-reader.ts';
import type { Crl } from '../spiffe/crl/crl.ts';
import type { Certificate } from '../spiffe/x509/certificate.ts';
import type { X509Context } from '../spiffe/x509-context.ts';

/** CRLs of this total size take one or two milliseconds, so they need no preparation. */
const SMALL_BYTES = 1 << 17;

/**
 * Starts the preparation.
 * @param known the contexts of earlier messages: a known CRL may be signed by an authority in this message, or the reverse
 * @returns undefined when nothing takes long
 */
export function prepareCrls(
  response: X509SVIDResponse | X509BundlesResponse,
  known: readonly X509Context[],
  reader: CertificateReader,
): Promise<void> | undefined {
  const knownCrls = known.flatMap(({ crls }) => crls);
  const bytes = [...response.crl, ...knownCrls.map(({ der }) => der)].reduce((sum, { length }) => sum + length, 0);
  if (bytes <= SMALL_BYTES) return undefined;
  const authorities = [...authoritiesOf(response, reader), ...known.flatMap(authoritiesIn)];
  const isNew = response.crl.some((list) => !reader.crls.knows(list));
  if (!isNew && knownCrls.every((crl) => authorities.every((authority) => crl.hasChecked(authority)))) return undefined;
  return prepare(response.crl, knownCrls, authorities, reader);
}

async function prepare(
  lists: readonly Uint8Array[],
  knownCrls: readonly Crl[],
  authorities: readonly Certificate[],
  reader: CertificateReader,
): Promise<void> {
  const crls = [...knownCrls];
  for (const list of lists) {
    const crl = await reader.crls.prepare(list);
    if (crl !== undefined) crls.push(crl);
  }
  for (const crl of crls) for (const authority of authorities) await crl.check(authority);
}

function authoritiesOf(response: X509SVIDResponse | X509BundlesResponse, reader: CertificateReader): readonly Certificate[] {
  const parts =
    'svids' in response
      ? [...response.svids.flatMap(({ x509_svid, bundle }) => [x509_svid, bundle]), ...Object.values(response.federated_bundles)]
      : Object.values(response.bundles);
  return parts.flatMap((part) => reader.readAll(part).certificates);
}

function authoritiesIn({ svids, bundles }: X509Context): readonly Certificate[] {
  return [...svids.flatMap(({ chain }) => chain), ...[...bundles.values()].flatMap(({ authorities }) => authorities)];
}
