/** Looks for private keys in whatever was written. */
import type { TestWorkloadApi } from '../support/workload-api/test-workload-api.ts';

/** What the base64 and the hexadecimal of every P-256 key in PKCS#8 begin with, and what stands around a key in PEM. */
const SHAPES = ['MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEH', '308187020100301306072a8648ce3d', 'PRIVATE KEY'];
/** Of the scalar in PKCS#8. */
const SCALAR = { from: 36, to: 68 };
const PIECE_BYTES = 12;
/** Of all that was served, those that came last are looked for by their bytes. */
const KNOWN = 20;

export class KeyHunt {
  /** How many times one was found. */
  found = 0;
  #pieces: string[] = [];

  /** Remembers parts of the keys that are served now; says the same to the streams again, which must mean nothing. */
  learn(api: TestWorkloadApi): void {
    api.send((response) => {
      for (const { x509_svid_key } of response.svids) {
        const scalar = Buffer.from(x509_svid_key).subarray(SCALAR.from, SCALAR.to);
        const piece = scalar.subarray(0, PIECE_BYTES);
        this.#pieces.push(piece.toString('hex'), piece.toString('base64'));
      }
      return response;
    });
    this.#pieces = this.#pieces.slice(-4 * KNOWN);
  }

  search(output: string): void {
    for (const piece of [...SHAPES, ...this.#pieces]) this.found += output.split(piece).length - 1;
  }
}
