/** What can wait until the first Envoys have their secrets. */
import type { Clock } from '../clock.ts';

/** An Envoy that is there already has connected by then, on a machine that has time. */
const SOON_MS = 500;
/** A Workload API may be silent for ever: probes and metrics must not be. */
const LATEST_MS = 5_000;

/**
 * Holds work back for 500 ms, and until the Workload API has answered or failed; for 5 s at most. On a machine without CPU the time alone
 * would be over before the first connection is made, and the work would come before the identities.
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

  /** The Workload API has said something that is served now, or cannot be reached. */
  answered(): void {
    this.#answered = true;
    this.#look();
  }

  /** Calls back once: when it is time, or at once when it has been. The function that is returned forgets it. */
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
    // Each on its own: pushes go before.
    for (const work of this.#waiting) this.#clock.after(0, () => this.#waiting.delete(work) && work());
  }
}
