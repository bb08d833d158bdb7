/** Who has not taken an update of the secrets yet: the last of them makes a rotation complete. */
import type { Subscriber } from './delivery.ts';

export class Settlement {
  readonly #waiting: Set<Subscriber>;
  readonly #finish: () => void;

  /**
   * @param subscribers all that are open; whether the update concerns one it says itself, by `settle`
   * @param finish called once, when there is none left; at once when there was none
   */
  constructor(subscribers: Iterable<Subscriber>, finish: () => void) {
    this.#waiting = new Set(subscribers);
    this.#finish = finish;
    if (this.#waiting.size === 0) finish();
  }

  /** This one has sent what there was to send and got its answers, or is gone. */
  settle(subscriber: Subscriber): void {
    if (this.#waiting.delete(subscriber) && this.#waiting.size === 0) this.#finish();
  }
}
