/**
 * A CRL may have hundreds of thousands of entries: to read it and to verify its signature takes too long for one turn of the event loop.
 * Both are done before the message that carries it is taken in, which then finds all of it remembered.
 */
import type { X509BundlesResponse, X509SVIDResponse } from '../gen/messages.ts';
import type { CertificateReader } from '../spiffe/certificate-reader.ts';
import type { Crl } from '../spiffe/crl/crl.ts';
import type { Certificate } from '../spiffe/x509/certificate.ts';
import type { X509Context } from '../spiffe/x509-context.ts';

/** So much is read and verified in a millisecond or two. */
const SMALL_BYTES = 1 << 17;

/**
 * @param known what earlier messages said: its lists may be of an authority that comes now, and the other way round
 * @returns undefined when there is nothing that takes long
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
