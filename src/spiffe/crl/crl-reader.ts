/** Reads CRLs and remembers those in use. A CRL that is sent again costs only a comparison of its bytes. */
import { messageOf, SpiffeSdsError } from '../../error.ts';
import { atOnce, inTurns, type Steps } from '../x509/steps.ts';
import { type Crl, crlSteps } from './crl.ts';

/** The cache key is this many bytes at the end of a CRL. They are part of the signature, so they differ between CRLs. */
const TAIL_BYTES = 32;

interface Read {
  readonly bytes: Uint8Array;
  readonly outcome: Crl | SpiffeSdsError;
}

export class CrlReader {
  #known = new Map<string, Read>();

  /** Whether this CRL was read before, with or without success. */
  knows(bytes: Uint8Array): boolean {
    return this.#find(bytes) !== undefined;
  }

  /**
   * @param bytes one DER certificate revocation list
   * @throws SpiffeSdsError `certificate_invalid`; the message says why the CRL does not parse or cannot be used
   */
  read(bytes: Uint8Array): Crl {
    const outcome = this.#find(bytes) ?? this.#remember(bytes, atOnce(outcomeSteps(bytes)));
    if (outcome instanceof SpiffeSdsError) throw outcome;
    return outcome;
  }

  /** Reads a CRL without blocking the event loop. It returns undefined for a bad CRL; a later `read` throws the error. */
  async prepare(bytes: Uint8Array): Promise<Crl | undefined> {
    const outcome = this.#find(bytes) ?? this.#remember(bytes, await inTurns(outcomeSteps(bytes)));
    return outcome instanceof SpiffeSdsError ? undefined : outcome;
  }

  /** Forgets all but these. */
  keep(crls: readonly Crl[]): void {
    this.#known = new Map(crls.map((crl) => [keyOf(crl.der), { bytes: crl.der, outcome: crl }]));
  }

  #find(bytes: Uint8Array): Read['outcome'] | undefined {
    const known = this.#known.get(keyOf(bytes));
    return known !== undefined && Buffer.compare(known.bytes, bytes) === 0 ? known.outcome : undefined;
  }

  #remember(bytes: Uint8Array, outcome: Read['outcome']): Read['outcome'] {
    this.#known.set(keyOf(bytes), { bytes: outcome instanceof SpiffeSdsError ? bytes : outcome.der, outcome });
    return outcome;
  }
}

function keyOf(bytes: Uint8Array): string {
  return `${bytes.length} ${Buffer.from(bytes.subarray(-TAIL_BYTES)).toString('hex')}`;
}

function* outcomeSteps(bytes: Uint8Array): Steps<Read['outcome']> {
  try {
    return yield* crlSteps(bytes);
  } catch (error) {
    return new SpiffeSdsError('certificate_invalid', `the CRL does not parse: ${messageOf(error)}`, { cause: error });
  }
}
