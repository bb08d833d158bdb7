/** Delays work that can wait until the first Envoys have their secrets. */
import type { Clock } from '../clock.ts';

/** By then an Envoy that runs already has connected, unless the machine has no CPU. */
const SOON_MS = 500;
/** A Workload API may never answer; probes and metrics must not wait for it. */
const LATEST_MS = 5_000;

/**
 * Delays work for 500 ms and until the Workload API has answered or failed, for 5 s at most. On a machine without CPU the time alone would be
 * over before the first connection, and the work would be done before the identities are served.
 */
export class AfterStart {
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();
  #soon = false;
  #answered = false;
  #over = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    clock.after(SOON_MS, () => {
      this.#soon = true;
      this.#look();
    });
    clock.after(LATEST_MS, () => this.#begin());
  }

  /** Call it when the first secrets are served, or the Workload API cannot be reached. */
  answered(): void {
    this.#answered = true;
    this.#look();
  }

  /** Calls back once, when the delay is over, or at once when it was. The returned function cancels that. */
  run(work: () => void): () => void {
    if (this.#over) {
      work();
      return () => undefined;
    }
    this.#waiting.add(work);
    return () => this.#waiting.delete(work);
  }

  #look(): void {
    if (this.#soon && this.#answered) this.#begin();
  }

  #begin(): void {
    if (this.#over) return;
    this.#over = true;
    // Each in a turn of its own, so that pushes go first.
    for (const work of this.#waiting) this.#clock.after(0, () => this.#waiting.delete(work) && work());
  }
}
