/** From a FetchX509SVID message to a verified X509Context: all of it, or none (Workload API specification, section 5.2). */
import { messageOf, SpiffeSdsError } from '../error.ts';
import type { Event } from '../events.ts';
import type { X509BundlesResponse, X509SVID, X509SVIDResponse } from '../gen/messages.ts';
import type { Certificate, CertificateReader } from '../spiffe/certificate.ts';
import type { Crl } from '../spiffe/crl.ts';
import { parseSpiffeId, parseTrustDomain, type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { verifySvid } from '../spiffe/verify.ts';
import type { X509Bundle, X509Context, X509Svid } from '../spiffe/x509-context.ts';

/** A bundle, by the name that the Workload API gave it, or a CRL that could not be used. The rest of its message counts all the same. */
export type LeftOut = Event & { readonly type: 'bundle_left_out' | 'crl_left_out' };

export interface ReadContext {
  readonly context: X509Context;
  readonly leftOut: readonly LeftOut[];
}

/**
 * @param now milliseconds since the epoch, against which validity is judged
 * @throws SpiffeSdsError when a mandatory field is empty or an SVID does not verify: the whole message is to be discarded
 */
export function readContext(response: X509SVIDResponse, reader: CertificateReader, now: number): ReadContext {
  const bundles = new Map<TrustDomain, X509Bundle>();
  const svids = response.svids.map((message, index) => {
    try {
      return readSvid(message, reader, bundles, now);
    } catch (error) {
      const which = `X509-SVID ${index + 1} of ${response.svids.length} (${message.spiffe_id.slice(0, 200) || 'without a SPIFFE ID'})`;
      const code = error instanceof SpiffeSdsError ? error.code : 'response_invalid';
      throw new SpiffeSdsError(code, `${which}: ${messageOf(error)}`, { cause: error });
    }
  });
  const federated = readBundles({ bundles: response.federated_bundles, crl: response.crl }, reader);
  const all = new Map([...bundles, ...[...federated.context.bundles].filter(([name]) => !bundles.has(name))]);
  return { context: { ...federated.context, svids, bundles: all }, leftOut: federated.leftOut };
}

/** Bundles and CRLs are judged one by one: what is broken is left out. */
export function readBundles({ bundles, crl }: X509BundlesResponse, reader: CertificateReader): ReadContext {
  const read = new Map<TrustDomain, X509Bundle>();
  const crls: Crl[] = [];
  const leftOut: LeftOut[] = [];
  for (const [name, bytes] of Object.entries(bundles)) {
    try {
      const trustDomain = parseTrustDomain(name);
      const bundle = readBundle(trustDomain, bytes, reader);
      if (!read.has(trustDomain)) read.set(trustDomain, bundle);
    } catch (error) {
      leftOut.push({ type: 'bundle_left_out', trustDomain: name, reason: messageOf(error) });
    }
  }
  for (const bytes of crl) {
    try {
      crls.push(reader.readCrl(bytes));
    } catch (error) {
      leftOut.push({ type: 'crl_left_out', reason: messageOf(error) });
    }
  }
  return { context: { svids: [], bundles: read, crls }, leftOut };
}

function readSvid(message: X509SVID, reader: CertificateReader, bundles: Map<TrustDomain, X509Bundle>, now: number): X509Svid {
  const id = parseSpiffeId(message.spiffe_id);
  const [leaf, ...intermediates] = readCertificates('x509_svid', message.x509_svid, reader);
  if (message.x509_svid_key.length === 0)
    throw new SpiffeSdsError('response_invalid', 'the mandatory field x509_svid_key is empty');
  const svid: X509Svid = { id, hint: message.hint, chain: [leaf, ...intermediates], privateKey: message.x509_svid_key };
  const trustDomain = trustDomainOf(id);
  const bundle = readBundle(trustDomain, message.bundle, reader);
  verifySvid(svid, bundle, now);
  if (!bundles.has(trustDomain)) bundles.set(trustDomain, bundle);
  return svid;
}

function readBundle(trustDomain: TrustDomain, bytes: Uint8Array, reader: CertificateReader): X509Bundle {
  const authorities = readCertificates('bundle', bytes, reader);
  const leaf = authorities.find(({ isCa }) => !isCa);
  if (leaf !== undefined)
    throw new SpiffeSdsError('bundle_invalid', `certificate ${leaf.serial} in the bundle is not a CA certificate`);
  return { trustDomain, authorities };
}

function readCertificates(field: string, bytes: Uint8Array, reader: CertificateReader): readonly [Certificate, ...Certificate[]] {
  const [first, ...rest] = reader.readAll(bytes);
  if (first === undefined) throw new SpiffeSdsError('response_invalid', `the mandatory field ${field} is empty`);
  return [first, ...rest];
}
