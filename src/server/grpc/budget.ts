/** Counts bytes in use: of one connection, and of all together. */

/** Of all connections. */
export interface SharedBudget {
  used: number;
}

export class Budget {
  readonly #all: SharedBudget;
  #used = 0;
  #closed = false;

  constructor(all: SharedBudget) {
    this.#all = all;
  }

  get used(): number {
    return this.#used;
  }

  /** @param bytes negative: they are given back */
  change(bytes: number): void {
    if (this.#closed) return;
    this.#used += bytes;
    this.#all.used += bytes;
  }

  /** Gives all back. */
  close(): void {
    this.change(-this.#used);
    this.#closed = true;
  }
}
