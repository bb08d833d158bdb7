/** Counts messages until there is one for each subscriber. */
export class Receipts {
  #expected: number;
  #left: number;
  #complete = Promise.withResolvers<void>();

  constructor(expected: number) {
    this.#expected = expected;
    this.#left = expected;
  }

  count(): void {
    if (--this.#left === 0) this.#complete.resolve();
  }

  all(): Promise<void> {
    return this.#complete.promise;
  }

  /** @param expected default: as many as before */
  reset(expected = this.#expected): void {
    this.#expected = expected;
    this.#left = this.#expected;
    this.#complete = Promise.withResolvers();
  }
}
