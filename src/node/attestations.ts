/** How often the broker is asked: each new stream has its agent look at a process, so streams wait in a queue, a user's after another's. */
import type { Clock } from '../clock.ts';
import { initialRate, type Rate, take } from '../rate.ts';

/** As soon as there is room for one more. */
const LOOK_MS = 10;

export class Attestations {
  readonly #perSecond: () => number;
  readonly #clock: Clock;
  /** By user, the one whose turn is next first. */
  readonly #waiting = new Map<number, Set<() => void>>();
  #rate: Rate;
  #cancelLook: (() => void) | undefined;

  constructor(perSecond: () => number, clock: Clock) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#rate = initialRate(this.#limit, clock.monotonic());
  }

  /** How many wait. */
  get waiting(): number {
    return [...this.#waiting.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Calls back when it is this user's turn, perhaps at once. The returned function forgets it. */
  ask(uid: number, work: () => void): () => void {
    if (this.#waiting.size === 0 && this.#take()) {
      work();
      return () => undefined;
    }
    const mine = this.#waiting.get(uid) ?? new Set();
    // Each call is its own, also of the same function.
    const turn = () => work();
    this.#waiting.set(uid, mine.add(turn));
    this.#lookLater();
    return () => {
      mine.delete(turn);
      if (mine.size === 0 && this.#waiting.get(uid) === mine) this.#waiting.delete(uid);
    };
  }

  stop(): void {
    this.#cancelLook?.();
    this.#waiting.clear();
  }

  get #limit() {
    return { burst: this.#perSecond(), perSecond: this.#perSecond() };
  }

  #take(): boolean {
    const rate = take(this.#limit, this.#rate, this.#clock.monotonic());
    if (rate === undefined) return false;
    this.#rate = rate;
    return true;
  }

  #lookLater(): void {
    this.#cancelLook ??= this.#clock.after(LOOK_MS, () => {
      this.#cancelLook = undefined;
      while (this.#waiting.size > 0 && this.#take()) this.#next();
      if (this.#waiting.size > 0) this.#lookLater();
    });
  }

  /** The oldest of the user whose turn it is, who then comes last. */
  #next(): void {
    for (const [uid, mine] of this.#waiting) {
      const [turn] = mine;
      this.#waiting.delete(uid);
      if (turn === undefined) continue;
      mine.delete(turn);
      if (mine.size > 0) this.#waiting.set(uid, mine);
      turn();
      return;
    }
  }
}
