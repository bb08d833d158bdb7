/** One X.509 certificate (RFC 5280, section 4.1). It is parsed once for as long as it is in use. */
import { X509Certificate } from 'node:crypto';
import { printable } from '../../printable.ts';
import { derChildren } from './der.ts';
import { type Extensions, readExtensions } from './extensions.ts';

const MAX_NAME_TEXT = 200;
/** [0] of a certificate's fields. */
const VERSION = 0xa0;
/** A key on P-256 up to its point, which is not compressed (RFC 5480, section 2): what may differ after that is the point alone. */
const P256 = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const P256_BYTES = P256.length + 64;

/** A parsed certificate. */
export interface Certificate extends Extensions {
  readonly der: Uint8Array;
  /** X.509 version, 1 to 3. */
  readonly version: number;
  /**
   * Whether it may issue certificates: basicConstraints say so, or it is self-issued and older than version 3, which has no extensions.
   * RFC 5280, section 6.1.4 (k), accepts such a CA only if it is known by other means. A certificate in a trust bundle is.
   */
  readonly isCa: boolean;
  /** SHA-256 of the DER, hexadecimal. */
  readonly fingerprint: string;
  readonly x509: X509Certificate;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  /** Hexadecimal, upper case, as OpenSSL prints it. */
  readonly serial: string;
  /** The distinguished name, DER. */
  readonly subject: Uint8Array;
  /** The public key, DER (SubjectPublicKeyInfo). */
  readonly spki: Uint8Array;
}

/**
 * Reads a certificate.
 * @param bytes one DER certificate, which is copied
 * @param fingerprint of these bytes
 * @throws Error when node:crypto cannot read it, or a field that SPIFFE needs is malformed
 */
export function parseCertificate(bytes: Uint8Array, fingerprint: string): Certificate {
  // A copy, so that the certificate does not keep its message in memory: the message also contains a private key.
  const der = Uint8Array.from(bytes);
  const x509 = parsedByOpenssl(der);
  const notBefore = Date.parse(x509.validFrom);
  const notAfter = Date.parse(x509.validTo);
  // A certificate with NaN as its end would never expire.
  if (Number.isNaN(notBefore) || Number.isNaN(notAfter)) throw new Error('its validity is not a time');
  const { version, subject, key } = fieldsOf(der);
  const spki = writtenKey(x509, der, key);
  const extensions = readExtensions(der);
  const isCa = extensions.isCa || (version < 3 && x509.checkIssued(x509));
  return { der, fingerprint, x509, version, notBefore, notAfter, serial: x509.serialNumber, subject, spki, ...extensions, isCa };
}

/** Replaces the error message of node:crypto, which tries to read bytes that are not a DER certificate as PEM and complains about that. */
function parsedByOpenssl(der: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(der);
  } catch (cause) {
    throw new Error('OpenSSL does not read it as a certificate', { cause });
  }
}

/** The subject as one line of text; undefined when OpenSSL cannot read the certificate. */
export function subjectText(der: Uint8Array): string | undefined {
  try {
    return nameText(new X509Certificate(der));
  } catch {
    return undefined;
  }
}

/** The subject as one line of text, at most 200 characters. */
export function nameText({ subject }: X509Certificate): string {
  return printable(subject.split('\n').join(', ')).slice(0, MAX_NAME_TEXT).toWellFormed();
}

/** RFC 5280, section 4.1: [0] version (absent in version 1), serialNumber, signature, issuer, validity, subject, key, … */
function fieldsOf(der: Uint8Array): Pick<Certificate, 'version' | 'subject'> & { readonly key: Uint8Array | undefined } {
  const fields = derChildren(derChildren(der)[0]?.bytes ?? new Uint8Array());
  const [first] = fields;
  const wrapped = first?.tag === VERSION ? derChildren(first.bytes)[0]?.content[0] : undefined;
  const [subject, key] = fields.slice(first?.tag === VERSION ? 5 : 4);
  if (subject === undefined) throw new Error('it has no subject');
  return { version: (wrapped ?? 0) + 1, subject: subject.bytes, key: key?.bytes };
}

/**
 * Where the public key stands. OpenSSL accepts keys that are not strict DER: one that it would write otherwise is refused.
 * @param key as it stands in the certificate
 */
function writtenKey(x509: X509Certificate, der: Uint8Array, key: Uint8Array | undefined): Uint8Array {
  // Throws when it cannot be read, as a point that is not on its curve.
  const { publicKey } = x509;
  // As most are. To have OpenSSL write it takes longer than to read the whole certificate.
  if (key?.length === P256_BYTES && P256.equals(key.subarray(0, P256.length))) return key;
  const written = publicKey.export({ type: 'spki', format: 'der' });
  const at = Buffer.from(der.buffer).indexOf(written);
  if (at === -1) throw new Error('its public key is not written as it should be');
  return der.subarray(at, at + written.length);
}
