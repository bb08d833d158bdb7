/** From a FetchX509SVID message to a verified X509Context (Workload API specification, section 5.2). */
import { formProblem } from '../envoy/certificate-form.ts';
import { leafProblem } from '../envoy/leaf-form.ts';
import { messageOf, SpiffeSdsError } from '../error.ts';
import type { Event } from '../events.ts';
import type { X509BundlesResponse, X509SVID, X509SVIDResponse } from '../gen/messages.ts';
import type { CertificateReader, ReadCertificates } from '../spiffe/certificate-reader.ts';
import type { Crl } from '../spiffe/crl/crl.ts';
import { parseSpiffeId, parseTrustDomain, type TrustDomain, trustDomainId, trustDomainOf } from '../spiffe/spiffe-id.ts';
import { verifySvid } from '../spiffe/verify.ts';
import { type Certificate, nameText } from '../spiffe/x509/certificate.ts';
import type { X509Bundle, X509Context, X509Svid } from '../spiffe/x509-context.ts';

/** A certificate, a bundle or a CRL that could not be used. The rest of its message counts all the same. */
export type LeftOut = Event & { readonly type: 'certificate_left_out' | 'bundle_left_out' | 'crl_left_out' };

export interface ReadContext {
  readonly context: X509Context;
  readonly leftOut: readonly LeftOut[];
}

/**
 * Dates are not judged here. The specification lets a message be discarded whole for a mandatory field that is empty or malformed; a
 * certificate whose time is not yet, or is over, is neither: it may be the clock that is wrong, and its neighbours are good.
 * @throws SpiffeSdsError when a mandatory field is empty or an SVID can never verify: the whole message is to be discarded
 */
export function readContext(response: X509SVIDResponse, reader: CertificateReader): ReadContext {
  const bundles = new Map<TrustDomain, X509Bundle>();
  const leftOut: LeftOut[] = [];
  // Each SVID comes with the bundle of its trust domain, which is the same for all of them as a rule.
  let last: { readonly bytes: Uint8Array; readonly bundle: X509Bundle } | undefined;
  const bundleOf = (trustDomain: TrustDomain, bytes: Uint8Array) => {
    if (last?.bundle.trustDomain !== trustDomain || Buffer.compare(last.bytes, bytes) !== 0)
      last = { bytes, bundle: readBundle(trustDomain, bytes, reader, leftOut) };
    if (!bundles.has(trustDomain)) bundles.set(trustDomain, last.bundle);
    return last.bundle;
  };
  const svids = response.svids.map((message, index) => {
    try {
      return readSvid(message, reader, bundleOf, leftOut);
    } catch (error) {
      const which = `X509-SVID ${index + 1} of ${response.svids.length} (${message.spiffe_id.slice(0, 200) || 'without a SPIFFE ID'})`;
      const code = error instanceof SpiffeSdsError ? error.code : 'response_invalid';
      throw new SpiffeSdsError(code, `${which}: ${messageOf(error)}`, { cause: error });
    }
  });
  const federated = readBundles({ bundles: response.federated_bundles, crl: response.crl }, reader);
  const all = new Map([...bundles, ...[...federated.context.bundles].filter(([name]) => !bundles.has(name))]);
  return { context: { ...federated.context, svids, bundles: all }, leftOut: [...leftOut, ...federated.leftOut] };
}

/** Bundles and CRLs are judged one by one: what is broken is left out. */
export function readBundles({ bundles, crl }: X509BundlesResponse, reader: CertificateReader): ReadContext {
  const read = new Map<TrustDomain, X509Bundle>();
  const crls: Crl[] = [];
  const leftOut: LeftOut[] = [];
  for (const [name, bytes] of Object.entries(bundles)) {
    try {
      const trustDomain = parseTrustDomain(name);
      const bundle = readBundle(trustDomain, bytes, reader, leftOut);
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

function readSvid(
  message: X509SVID,
  reader: CertificateReader,
  bundleOf: (trustDomain: TrustDomain, bytes: Uint8Array) => X509Bundle,
  leftOut: LeftOut[],
): X509Svid {
  const id = parseSpiffeId(message.spiffe_id);
  const chain = readChain(message, reader, leftOut);
  if (message.x509_svid_key.length === 0)
    throw new SpiffeSdsError('response_invalid', 'the mandatory field x509_svid_key is empty');
  const { authorities } = bundleOf(trustDomainOf(id), message.bundle);
  const svid: X509Svid = { id, hint: message.hint, chain, authorities, privateKey: message.x509_svid_key };
  verifySvid(svid);
  const problem = leafProblem(chain[0]);
  if (problem !== undefined) throw new SpiffeSdsError('svid_invalid', problem);
  return svid;
}

/** The leaf, and those of the other certificates that can be used: whether they suffice, the path to an authority shows. */
function readChain({ spiffe_id, x509_svid }: X509SVID, reader: CertificateReader, leftOut: LeftOut[]): X509Svid['chain'] {
  if (x509_svid.length === 0) throw new SpiffeSdsError('response_invalid', 'the mandatory field x509_svid is empty');
  const { certificates, unreadable } = reader.readAll(x509_svid);
  const [leaf, ...others] = certificates;
  const formOfLeaf = unreadable.find(({ position }) => position === 1)?.reason ?? (leaf && formProblem(leaf));
  if (leaf === undefined || formOfLeaf !== undefined)
    throw new SpiffeSdsError('certificate_invalid', `its leaf cannot be used: ${formOfLeaf}`);
  const { usable, unusable } = judgeEach({ certificates: others, unreadable }, formProblem);
  leftOut.push(...unusable.map((problem) => ({ type: 'certificate_left_out', of: spiffe_id, ...problem }) as const));
  return [leaf, ...usable];
}

function readBundle(trustDomain: TrustDomain, bytes: Uint8Array, reader: CertificateReader, leftOut: LeftOut[]): X509Bundle {
  if (bytes.length === 0) throw new SpiffeSdsError('response_invalid', 'the mandatory field bundle is empty');
  const { usable, unusable } = judgeEach(reader.readAll(bytes), authorityProblem);
  const [first, ...rest] = usable;
  if (first === undefined) {
    const reasons = unusable.map(({ subject, reason }) => `${subject}: ${reason}`).join('; ');
    throw new SpiffeSdsError('bundle_invalid', `no certificate of the bundle can be used: ${reasons}`);
  }
  const of = trustDomainId(trustDomain);
  leftOut.push(...unusable.map((problem) => ({ type: 'certificate_left_out', of, ...problem }) as const));
  return { trustDomain, authorities: [first, ...rest] };
}

function authorityProblem(certificate: Certificate): string | undefined {
  return certificate.isCa ? formProblem(certificate) : 'it is not a CA certificate';
}

interface Unusable {
  readonly subject: string;
  readonly reason: string;
}

function judgeEach(
  { certificates, unreadable }: ReadCertificates,
  problemOf: (certificate: Certificate) => string | undefined,
): { readonly usable: readonly Certificate[]; readonly unusable: readonly Unusable[] } {
  const judged = certificates.map((certificate) => ({ certificate, reason: problemOf(certificate) }));
  return {
    usable: judged.flatMap(({ certificate, reason }) => (reason === undefined ? [certificate] : [])),
    unusable: [
      ...unreadable.map(({ position, subject, reason }) => ({ subject: subject || `certificate ${position}`, reason })),
      ...judged.flatMap(({ certificate: { x509, serial }, reason }) =>
        reason === undefined ? [] : [{ subject: nameText(x509) || `serial ${serial}`, reason }],
      ),
    ],
  };
}
