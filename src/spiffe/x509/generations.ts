/** A cache of parsed values from the last two messages, so that unchanged parts are not parsed again. */
import { createHash } from 'node:crypto';

/** A cache whose key is the SHA-256 of the bytes. A value is dropped when two generations have not used it. */
export class Generations<T> {
  #current = new Map<string, T>();
  #previous = new Map<string, T>();

  /** The cached value for `bytes`, or the result of `read`, which gets their SHA-256 in hexadecimal. */
  get(bytes: Uint8Array, read: (fingerprint: string) => T): T {
    const fingerprint = createHash('sha256').update(bytes).digest('hex');
    const value = this.#current.get(fingerprint) ?? this.#previous.get(fingerprint) ?? read(fingerprint);
    this.#current.set(fingerprint, value);
    return value;
  }

  /** Marks a value as used, so that it stays in the cache. */
  keep(fingerprint: string, value: T): void {
    this.#current.set(fingerprint, value);
  }

  /** Starts a new generation and drops the values that were not used since the last call. */
  next(): void {
    this.#previous = this.#current;
    this.#current = new Map();
  }
}
