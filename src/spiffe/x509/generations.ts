/** What was read from the last two messages, by hash, so that what has not changed is not parsed again. */
import { createHash } from 'node:crypto';

export class Generations<T> {
  #current = new Map<string, T>();
  #previous = new Map<string, T>();

  /** What `bytes` were read as before, or what `read` makes of them and of their SHA-256 (hexadecimal) now. */
  get(bytes: Uint8Array, read: (fingerprint: string) => T): T {
    const fingerprint = createHash('sha256').update(bytes).digest('hex');
    const value = this.#current.get(fingerprint) ?? this.#previous.get(fingerprint) ?? read(fingerprint);
    this.#current.set(fingerprint, value);
    return value;
  }

  /** The same as reading it again: it is not forgotten yet. */
  keep(fingerprint: string, value: T): void {
    this.#current.set(fingerprint, value);
  }

  /** Forgets what was not read since the last call. */
  next(): void {
    this.#previous = this.#current;
    this.#current = new Map();
  }
}
