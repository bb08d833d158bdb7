/** Certificates of CAs that several readers have, each parsed once: all workloads of a node trust much the same. They are public. */
import type { Certificate } from './x509/certificate.ts';

export class SharedAuthorities {
  /** By fingerprint. Each is kept by those that use it, and by nobody else. */
  readonly #known = new Map<string, WeakRef<Certificate>>();
  readonly #collected = new FinalizationRegistry<string>((fingerprint) => {
    if (this.#known.get(fingerprint)?.deref() === undefined) this.#known.delete(fingerprint);
  });

  /** The one with this fingerprint that another has read, or the result of `read`, which is shared if it is a CA's. */
  get(fingerprint: string, read: () => Certificate): Certificate {
    const known = this.#known.get(fingerprint)?.deref();
    if (known !== undefined) return known;
    const certificate = read();
    if (certificate.isCa) {
      this.#known.set(fingerprint, new WeakRef(certificate));
      this.#collected.register(certificate, fingerprint);
    }
    return certificate;
  }
}
