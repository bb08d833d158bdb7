/**
 * Bundles before certificates: Envoy knows no order between its streams, and a peer that gets a certificate of the new CA before it has
 * the new bundle refuses the connection.
 */
import type { Clock } from '../../clock.ts';
import type { Subscriber } from './delivery.ts';

export class Rollout {
  readonly #waiting: Set<Subscriber>;
  readonly #finish: (late: number) => void;
  readonly #stopTimer: () => void;
  /** By the monotonic clock. A rollout that takes its place keeps this deadline. */
  readonly deadline: number;

  /**
   * @param subscribers all of them; those that await a bundle are waited for
   * @param deadline by the monotonic clock: until then at most
   * @param finish called once, with the number of those that have not accepted their bundle in time
   */
  constructor(subscribers: Iterable<Subscriber>, clock: Clock, deadline: number, finish: (late: number) => void) {
    this.#waiting = new Set([...subscribers].filter(({ awaitsBundle }) => awaitsBundle));
    this.#finish = finish;
    this.deadline = deadline;
    this.#stopTimer = clock.after(Math.max(0, deadline - clock.monotonic()), () => {
      const late = this.#waiting.size;
      this.#waiting.clear();
      finish(late);
    });
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** A subscriber has answered, or is gone. */
  settle(subscriber: Subscriber, gone: boolean): void {
    if (!this.#waiting.has(subscriber) || (!gone && subscriber.awaitsBundle)) return;
    this.#waiting.delete(subscriber);
    if (this.#waiting.size > 0) return;
    this.#stopTimer();
    this.#finish(0);
  }

  /** Ends it without `finish`: something newer takes its place. */
  cancel(): void {
    this.#waiting.clear();
    this.#stopTimer();
  }
}
