/** Reads the certificates and CRLs of Workload API messages. Each is parsed once for as long as it is in use. */
import { messageOf } from '../error.ts';
import type { Crl } from './crl/crl.ts';
import { CrlReader } from './crl/crl-reader.ts';
import { SharedAuthorities } from './shared-authorities.ts';
import { type Certificate, parseCertificate, subjectText } from './x509/certificate.ts';
import { splitDer } from './x509/der.ts';
import { Generations } from './x509/generations.ts';

/** A certificate that could not be read. */
export interface UnreadableCertificate {
  /** Its position in the field, from 1. */
  readonly position: number;
  readonly subject?: string | undefined;
  readonly reason: string;
}

/** The certificates of one field. */
export interface ReadCertificates {
  readonly certificates: readonly Certificate[];
  readonly unreadable: readonly UnreadableCertificate[];
}

/** Reads certificates and remembers those of the last two generations, so that an unchanged one is not parsed again. */
export class CertificateReader {
  readonly #certificates = new Generations<Certificate>();
  readonly #shared: SharedAuthorities;
  readonly crls = new CrlReader();

  /** @param shared with other readers. Default: nothing is */
  constructor(shared = new SharedAuthorities()) {
    this.#shared = shared;
  }

  /** Forgets what was neither read nor kept since the last call. */
  nextGeneration(): void {
    this.#certificates.next();
  }

  /** Remembers certificates that were received again, without reading them. */
  keep(certificates: readonly Certificate[]): void {
    for (const certificate of certificates) this.#certificates.keep(certificate.fingerprint, certificate);
  }

  /**
   * Reads each certificate separately: an unreadable one does not affect the others.
   * @param bytes concatenated DER certificates
   */
  readAll(bytes: Uint8Array): ReadCertificates {
    const certificates: Certificate[] = [];
    const unreadable: UnreadableCertificate[] = [];
    const { parts, problem } = splitDer(bytes);
    for (const [index, der] of parts.entries()) {
      try {
        certificates.push(this.#read(der));
      } catch (error) {
        unreadable.push({ position: index + 1, subject: subjectText(der), reason: `it does not parse: ${messageOf(error)}` });
      }
    }
    if (problem !== undefined) unreadable.push({ position: parts.length + 1, reason: `it is not DER: ${problem}` });
    return { certificates, unreadable };
  }

  #read(der: Uint8Array): Certificate {
    const parse = (fingerprint: string) => this.#shared.get(fingerprint, () => parseCertificate(der, fingerprint));
    return this.#certificates.get(der, parse);
  }

  /**
   * @param bytes one DER certificate revocation list
   * @throws SpiffeSdsError `certificate_invalid`; the message says why it does not parse
   */
  readCrl(bytes: Uint8Array): Crl {
    return this.crls.read(bytes);
  }
}
