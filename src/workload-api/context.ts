/** Reads FetchX509SVID and FetchX509Bundles messages into a verified X509Context (Workload API specification, section 5.2). */
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
import { areBytesOf, type KnownBundle, type KnownParts, type KnownSvid, NOTHING_KNOWN } from './known-parts.ts';

/** The event for a certificate, bundle or CRL that cannot be used. The rest of the message is used. */
export type LeftOut = Event & { readonly type: 'certificate_left_out' | 'bundle_left_out' | 'crl_left_out' };

/** The result of reading one message. */
export interface ReadContext {
  readonly context: X509Context;
  readonly leftOut: readonly LeftOut[];
  /** What to pass as `known` with the next message of the same stream. */
  readonly parts: KnownParts<LeftOut>;
}

/**
 * Reads a FetchX509SVID message, but does not check dates. The specification tells clients to discard a message with an empty or malformed
 * mandatory field. An expired or not yet valid certificate is not malformed: the local clock may be wrong, and the other SVIDs are good.
 * @param known the parts of the previous message on this stream
 * @throws SpiffeSdsError when a mandatory field is empty or an SVID can never be valid; the caller must discard the whole message
 */
export function readContext(
  response: X509SVIDResponse,
  reader: CertificateReader,
  known: KnownParts<LeftOut> = NOTHING_KNOWN,
): ReadContext {
  const bundles = new Map<TrustDomain, X509Bundle>();
  const leftOut: LeftOut[] = [];
  const parts = { svids: new Map<string, KnownSvid<LeftOut>>(), bundles: new Map<string, KnownBundle<LeftOut>>() };
  // Each SVID carries the bundle of its trust domain. Usually it is the same bundle in all of them, so the last one is kept.
  let last: { readonly bytes: Uint8Array; readonly bundle: X509Bundle } | undefined;
  const bundleOf = (trustDomain: TrustDomain, bytes: Uint8Array) => {
    if (last?.bundle.trustDomain !== trustDomain || Buffer.compare(last.bytes, bytes) !== 0) {
      const read = readBundle(trustDomain, bytes, reader, known.bundles.get(trustDomain));
      leftOut.push(...read.leftOut);
      parts.bundles.set(trustDomain, read);
      last = { bytes, bundle: read.bundle };
    }
    if (!bundles.has(trustDomain)) bundles.set(trustDomain, last.bundle);
    return last.bundle;
  };
  const svids = response.svids.map((message, index) => {
    try {
      const key = `${message.spiffe_id}\0${message.hint}`;
      const read = readSvid(message, reader, bundleOf, known.svids.get(key));
      leftOut.push(...read.leftOut);
      parts.svids.set(key, read);
      return read.svid;
    } catch (error) {
      const which = `X509-SVID ${index + 1} of ${response.svids.length} (${message.spiffe_id.slice(0, 200) || 'without a SPIFFE ID'})`;
      const code = error instanceof SpiffeSdsError ? error.code : 'response_invalid';
      throw new SpiffeSdsError(code, `${which}: ${messageOf(error)}`, { cause: error });
    }
  });
  const federated = readBundles({ bundles: response.federated_bundles, crl: response.crl }, reader, known);
  const all = new Map([...bundles, ...[...federated.context.bundles].filter(([name]) => !bundles.has(name))]);
  return {
    context: { ...federated.context, svids, bundles: all },
    leftOut: [...leftOut, ...federated.leftOut],
    parts: { svids: parts.svids, bundles: new Map([...federated.parts.bundles, ...parts.bundles]) },
  };
}

/** Reads a FetchX509Bundles message. It leaves out a bundle or CRL that cannot be used and keeps the others. */
export function readBundles(
  { bundles, crl }: X509BundlesResponse,
  reader: CertificateReader,
  known: KnownParts<LeftOut> = NOTHING_KNOWN,
): ReadContext {
  const read = new Map<TrustDomain, X509Bundle>();
  const parts = new Map<string, KnownBundle<LeftOut>>();
  const crls: Crl[] = [];
  const leftOut: LeftOut[] = [];
  for (const [name, bytes] of Object.entries(bundles)) {
    try {
      const trustDomain = parseTrustDomain(name);
      const part = readBundle(trustDomain, bytes, reader, known.bundles.get(name));
      leftOut.push(...part.leftOut);
      parts.set(name, part);
      if (!read.has(trustDomain)) read.set(trustDomain, part.bundle);
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
  return { context: { svids: [], bundles: read, crls }, leftOut, parts: { svids: new Map(), bundles: parts } };
}

function readSvid(
  message: X509SVID,
  reader: CertificateReader,
  bundleOf: (trustDomain: TrustDomain, bytes: Uint8Array) => X509Bundle,
  known: KnownSvid<LeftOut> | undefined,
): KnownSvid<LeftOut> {
  const id = parseSpiffeId(message.spiffe_id);
  const isKnown = known !== undefined && isOf(known, message);
  const read = isKnown ? undefined : readChain(message, reader);
  if (message.x509_svid_key.length === 0)
    throw new SpiffeSdsError('response_invalid', 'the mandatory field x509_svid_key is empty');
  const { authorities } = bundleOf(trustDomainOf(id), message.bundle);
  if (isKnown && known.svid.authorities === authorities) {
    reader.keep(known.certificates);
    return known;
  }
  const { chain, certificates, leftOut } = read ?? readChain(message, reader);
  // A copy, so that the key does not keep the whole message in memory.
  const privateKey = Uint8Array.from(message.x509_svid_key);
  const svid: X509Svid = { id, hint: message.hint, chain, authorities, privateKey };
  verifySvid(svid);
  const problem = leafProblem(chain[0]);
  if (problem !== undefined) throw new SpiffeSdsError('svid_invalid', problem);
  return { certificates, svid, leftOut };
}

function isOf({ certificates, svid }: KnownSvid<LeftOut>, { x509_svid, x509_svid_key }: X509SVID): boolean {
  return areBytesOf(x509_svid, certificates) && Buffer.compare(x509_svid_key, svid.privateKey) === 0;
}

/** Reads the leaf and the usable ones of the other certificates. The search for a path shows later whether they are enough. */
function readChain(
  { spiffe_id, x509_svid }: X509SVID,
  reader: CertificateReader,
): Pick<KnownSvid<LeftOut>, 'certificates' | 'leftOut'> & Pick<X509Svid, 'chain'> {
  if (x509_svid.length === 0) throw new SpiffeSdsError('response_invalid', 'the mandatory field x509_svid is empty');
  const { certificates, unreadable } = reader.readAll(x509_svid);
  const [leaf, ...others] = certificates;
  const formOfLeaf = unreadable.find(({ position }) => position === 1)?.reason ?? (leaf && formProblem(leaf));
  if (leaf === undefined || formOfLeaf !== undefined)
    throw new SpiffeSdsError('certificate_invalid', `its leaf cannot be used: ${formOfLeaf}`);
  const { usable, unusable } = separateUsable({ certificates: others, unreadable }, formProblem);
  const leftOut = unusable.map((problem) => ({ type: 'certificate_left_out', of: spiffe_id, ...problem }) as const);
  return { certificates, chain: [leaf, ...usable], leftOut };
}

function readBundle(
  trustDomain: TrustDomain,
  bytes: Uint8Array,
  reader: CertificateReader,
  known: KnownBundle<LeftOut> | undefined,
): KnownBundle<LeftOut> {
  if (bytes.length === 0) throw new SpiffeSdsError('response_invalid', 'the mandatory field bundle is empty');
  if (known !== undefined && areBytesOf(bytes, known.certificates)) {
    reader.keep(known.certificates);
    return known;
  }
  const read = reader.readAll(bytes);
  const { usable, unusable } = separateUsable(read, authorityProblem);
  const [first, ...rest] = usable;
  if (first === undefined) {
    const reasons = unusable.map(({ subject, reason }) => `${subject}: ${reason}`).join('; ');
    throw new SpiffeSdsError('bundle_invalid', `no certificate of the bundle can be used: ${reasons}`);
  }
  const of = trustDomainId(trustDomain);
  return {
    certificates: read.certificates,
    bundle: { trustDomain, authorities: [first, ...rest] },
    leftOut: unusable.map((problem) => ({ type: 'certificate_left_out', of, ...problem }) as const),
  };
}

function authorityProblem(certificate: Certificate): string | undefined {
  return certificate.isCa ? formProblem(certificate) : 'it is not a CA certificate';
}

interface Unusable {
  readonly subject: string;
  readonly reason: string;
}

function separateUsable(
  { certificates, unreadable }: ReadCertificates,
  problemOf: (certificate: Certificate) => string | undefined,
): { readonly usable: readonly Certificate[]; readonly unusable: readonly Unusable[] } {
  const checked = certificates.map((certificate) => ({ certificate, reason: problemOf(certificate) }));
  return {
    usable: checked.flatMap(({ certificate, reason }) => (reason === undefined ? [certificate] : [])),
    unusable: [
      ...unreadable.map(({ position, subject, reason }) => ({ subject: subject || `certificate ${position}`, reason })),
      ...checked.flatMap(({ certificate: { x509, serial }, reason }) =>
        reason === undefined ? [] : [{ subject: nameText(x509) || `serial ${serial}`, reason }],
      ),
    ],
  };
}
