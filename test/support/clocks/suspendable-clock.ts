/** A machine that can be suspended: meanwhile its wall clock goes on, and its timers stand still. */
import { ManualClock } from './manual-clock.ts';

export class SuspendableClock extends ManualClock {
  #suspendedMs = 0;

  override now(): number {
    return super.now() + this.#suspendedMs;
  }

  suspend(ms: number): void {
    this.#suspendedMs += ms;
  }
}
