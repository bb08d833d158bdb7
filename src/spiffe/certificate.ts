/** One X.509 certificate, read once for as long as it is in use, and as strictly as Envoy reads it. */
import { X509Certificate } from 'node:crypto';
import { messageOf, SpiffeSdsError } from '../error.ts';
import { type Crl, createCrl } from './crl.ts';
import { checkDer, derChildren, splitDer } from './der.ts';
import { type Extensions, readExtensions } from './extensions.ts';
import { Generations } from './generations.ts';

export interface Certificate extends Extensions {
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
  /** The distinguished name, DER. */
  readonly subject: Uint8Array;
}

/** Reads certificates and remembers those of the last two generations, so that an unchanged one is not parsed again. */
export class CertificateReader {
  readonly #certificates = new Generations<Certificate>();
  readonly #crls = new Generations<Crl>();
  #library: typeof import('./x509-library.ts') | undefined;

  /** One that can read CRLs. */
  static async load(): Promise<CertificateReader> {
    const reader = new CertificateReader();
    await reader.prepareForCrls();
    return reader;
  }

  get readsCrls(): boolean {
    return this.#library !== undefined;
  }

  /** CRLs are read by a library that takes longer to load than the rest of the sidecar: not before there is one. */
  async prepareForCrls(): Promise<void> {
    this.#library = await import('./x509-library.ts');
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
        const [der, ...more] = splitDer(Uint8Array.from(bytes));
        if (der === undefined || more.length > 0)
          throw new Error(`it is ${more.length === 0 ? 'empty' : 'followed by something else'}`);
        if (this.#library === undefined) throw new Error('prepareForCrls was not called');
        return createCrl(der, new this.#library.X509Crl(der));
      } catch (error) {
        throw new SpiffeSdsError('certificate_invalid', `the CRL does not parse: ${messageOf(error)}`, { cause: error });
      }
    });
  }

  #parse(bytes: Uint8Array, fingerprint: string, which: string): Certificate {
    try {
      // A copy: the message that carried it also carries a private key and must not be kept alive by a certificate.
      const der = Uint8Array.from(bytes);
      checkStrictly(der);
      const x509 = new X509Certificate(der);
      // Its public key, written anew, must be what stands there.
      const spki = x509.publicKey.export({ type: 'spki', format: 'der' });
      if (!Buffer.from(der).includes(spki)) throw new Error('its public key is not written as it should be');
      const notBefore = Date.parse(x509.validFrom);
      const notAfter = Date.parse(x509.validTo);
      // Compared with a clock, NaN would never be over.
      if (Number.isNaN(notBefore) || Number.isNaN(notAfter)) throw new Error('its validity is not a time');
      return {
        der,
        fingerprint,
        x509,
        notBefore,
        notAfter,
        serial: x509.serialNumber,
        subject: subjectOf(der),
        ...readExtensions(der),
      };
    } catch (error) {
      throw new SpiffeSdsError('certificate_invalid', `${which} does not parse: ${messageOf(error)}`, { cause: error });
    }
  }
}

/** [0] EXPLICIT INTEGER 2: version 3. */
const VERSION_3 = Uint8Array.of(0xa0, 3, 2, 1, 2);

/** One certificate that Envoy cannot read makes it refuse the bundles of all trust domains, and whoever is federated writes his own. */
function checkStrictly(der: Uint8Array): void {
  checkDer(der);
  const [version] = derChildren(derChildren(der)[0]?.bytes ?? new Uint8Array());
  if (version === undefined || Buffer.compare(version.bytes, VERSION_3) !== 0) throw new Error('it is not X.509 version 3');
}

/** RFC 5280, section 4.1: version, serialNumber, signature, issuer, validity, subject, … */
function subjectOf(der: Uint8Array): Uint8Array {
  const subject = derChildren(derChildren(der)[0]?.bytes ?? new Uint8Array())[5];
  if (subject === undefined) throw new Error('it has no subject');
  return subject.bytes;
}
