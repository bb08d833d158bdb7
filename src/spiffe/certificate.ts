/**
 * One X.509 certificate: what node:crypto reads of it, which is fast, and what only @peculiar/x509 can read (URI SANs, key usage,
 * path length), which is slow and therefore done once per distinct certificate.
 */
import { X509Certificate } from 'node:crypto';
import { messageOf, SpiffeSdsError } from '../error.ts';
import { type Crl, createCrl } from './crl.ts';
import { splitDer } from './der.ts';
import { Generations } from './generations.ts';

export interface Certificate {
  readonly der: Uint8Array;
  /** SHA-256 of the DER, hexadecimal. */
  readonly fingerprint: string;
  readonly x509: X509Certificate;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  /** Hexadecimal, upper case, as OpenSSL prints it. */
  readonly serial: string;
  readonly uriSans: readonly string[];
  /** basicConstraints cA. */
  readonly isCa: boolean;
  /** basicConstraints pathLenConstraint. */
  readonly pathLength: number | undefined;
  /** Absent when the certificate has no key usage extension. */
  readonly keyUsage: KeyUsage | undefined;
}

export interface KeyUsage {
  readonly digitalSignature: boolean;
  readonly keyCertSign: boolean;
  readonly crlSign: boolean;
}

/** Reads certificates and remembers those of the last two generations, so that an unchanged one is not parsed again. */
export class CertificateReader {
  readonly #certificates = new Generations<Certificate>();
  readonly #crls = new Generations<Crl>();
  readonly #x509: typeof import('@peculiar/x509');

  private constructor(x509: typeof import('@peculiar/x509')) {
    this.#x509 = x509;
  }

  /** @peculiar/x509 is loaded here, late: a sidecar listens before it can verify. */
  static async load(): Promise<CertificateReader> {
    await import('reflect-metadata');
    return new CertificateReader(await import('@peculiar/x509'));
  }

  /** Forgets what was not read since the last call. */
  nextGeneration(): void {
    this.#certificates.next();
    this.#crls.next();
  }

  /**
   * @param bytes concatenated DER certificates
   * @throws SpiffeSdsError `certificate_invalid` saying which certificate does not parse, and why
   */
  readAll(bytes: Uint8Array): readonly Certificate[] {
    let ders: readonly Uint8Array[];
    try {
      ders = splitDer(bytes);
    } catch (error) {
      throw new SpiffeSdsError('certificate_invalid', `not concatenated DER certificates: ${messageOf(error)}`, { cause: error });
    }
    return ders.map((der, index) =>
      this.#certificates.get(der, (fingerprint) => this.#parse(der, fingerprint, `certificate ${index + 1} of ${ders.length}`)),
    );
  }

  /**
   * @param bytes one DER certificate revocation list
   * @throws SpiffeSdsError `certificate_invalid` saying why it does not parse
   */
  readCrl(bytes: Uint8Array): Crl {
    return this.#crls.get(bytes, () => {
      try {
        const der = Uint8Array.from(bytes);
        return createCrl(der, new this.#x509.X509Crl(der));
      } catch (error) {
        throw new SpiffeSdsError('certificate_invalid', `the CRL does not parse: ${messageOf(error)}`, { cause: error });
      }
    });
  }

  #parse(bytes: Uint8Array, fingerprint: string, which: string): Certificate {
    const { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension, SubjectAlternativeNameExtension } = this.#x509;
    try {
      // A copy: the message that carried it also carries a private key and must not be kept alive by a certificate.
      const der = Uint8Array.from(bytes);
      const x509 = new X509Certificate(der);
      const notBefore = Date.parse(x509.validFrom);
      const notAfter = Date.parse(x509.validTo);
      // Compared with a clock, NaN would never be over.
      if (Number.isNaN(notBefore) || Number.isNaN(notAfter)) throw new Error('its validity is not a time');
      const extensions = new this.#x509.X509Certificate(der);
      const oids = extensions.extensions.map(({ type }) => type);
      // RFC 5280, section 4.2: which of two would a peer believe?
      if (new Set(oids).size < oids.length) throw new Error('it has the same extension twice');
      const constraints = extensions.getExtension(BasicConstraintsExtension);
      const usages = extensions.getExtension(KeyUsagesExtension)?.usages;
      const san = extensions.getExtension(SubjectAlternativeNameExtension);
      const has = (flag: number) => usages !== undefined && (usages & flag) !== 0;
      return {
        der,
        fingerprint,
        x509,
        notBefore,
        notAfter,
        serial: x509.serialNumber,
        uriSans: san?.names.items.filter(({ type }) => type === 'url').map(({ value }) => value) ?? [],
        isCa: constraints?.ca ?? false,
        pathLength: constraints?.pathLength,
        keyUsage:
          usages === undefined
            ? undefined
            : {
                digitalSignature: has(KeyUsageFlags.digitalSignature),
                keyCertSign: has(KeyUsageFlags.keyCertSign),
                crlSign: has(KeyUsageFlags.cRLSign),
              },
      };
    } catch (error) {
      throw new SpiffeSdsError('certificate_invalid', `${which} does not parse: ${messageOf(error)}`, { cause: error });
    }
  }
}
