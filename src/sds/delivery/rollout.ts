/**
 * Bundles before certificates: Envoy knows no order between its streams, and a peer that gets a certificate of the new CA before it has
 * the new bundle refuses the connection.
 */
import type { Clock } from '../../clock.ts';
import type { Subscriber } from './delivery.ts';

/**
 * An Envoy that begins a connection verifies it with the bundle that it has then, and its peer may take the connection later. So the
 * certificates wait a little longer than the last ACK of the bundle.
 */
const HANDSHAKE_MS = 250;

export interface RolloutOptions {
  /** By the monotonic clock: until then at most. */
  readonly deadline: number;
  /** When the rollout before this one had all its answers. Default: none was waited for. */
  readonly answeredAt?: number | undefined;
}

export class Rollout {
  readonly #waiting: Set<Subscriber>;
  readonly #clock: Clock;
  readonly #finish: (late: number) => void;
  #stopTimer: () => void = () => undefined;
  #answeredAt: number | undefined;
  /** By the monotonic clock. A rollout that takes its place keeps this deadline. */
  readonly deadline: number;

  /**
   * @param subscribers all of them; those that await a bundle are waited for
   * @param finish called once, with the number of those that have not accepted their bundle in time; never when `isOver` from the beginning
   */
  constructor(
    subscribers: Iterable<Subscriber>,
    clock: Clock,
    { deadline, answeredAt }: RolloutOptions,
    finish: (late: number) => void,
  ) {
    this.#waiting = new Set([...subscribers].filter(({ awaitsBundle }) => awaitsBundle));
    this.#clock = clock;
    this.#finish = finish;
    this.deadline = deadline;
    if (this.#waiting.size > 0) this.#finishAt(deadline);
    else if (answeredAt !== undefined) this.#answered(answeredAt);
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** When the last answer came, by the monotonic clock; undefined while one is missing. */
  get answeredAt(): number | undefined {
    return this.#answeredAt;
  }

  /** Whether there was nothing to wait for. */
  get isOver(): boolean {
    return this.#waiting.size === 0 && this.#answeredAt === undefined;
  }

  /** A subscriber has answered, or is gone. */
  settle(subscriber: Subscriber, gone: boolean): void {
    if (!this.#waiting.has(subscriber) || (!gone && subscriber.awaitsBundle)) return;
    this.#waiting.delete(subscriber);
    if (this.#waiting.size === 0) this.#answered(this.#clock.monotonic());
  }

  /** Ends it without `finish`: something newer takes its place. */
  cancel(): void {
    this.#waiting.clear();
    this.#stopTimer();
  }

  #answered(at: number): void {
    this.#answeredAt = at;
    this.#finishAt(Math.min(this.deadline, at + HANDSHAKE_MS));
  }

  #finishAt(at: number): void {
    this.#stopTimer();
    this.#stopTimer = this.#clock.after(Math.max(0, at - this.#clock.monotonic()), () => {
      const late = this.#waiting.size;
      this.#waiting.clear();
      this.#finish(late);
    });
  }
}
