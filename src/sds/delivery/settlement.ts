/** The streams that have not answered an update of the secrets yet. When the last has, the update is settled. */
import type { Subscriber } from './delivery.ts';

export class Settlement {
  readonly #waiting: Set<Subscriber>;
  readonly #finish: () => void;

  /**
   * @param subscribers all that are open; those that the update does not concern are settled too, by `settle`
   * @param finish called once, when none is left; at once when there was none
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
