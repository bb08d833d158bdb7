/** The machine's clock with timers that are in a hurry: what waits for a second waits for some milliseconds. */
import { type Clock, systemClock } from '../../../src/clock.ts';

/** @param factor how much sooner a timer fires */
export function hastyClock(factor: number): Clock {
  return { ...systemClock, after: (ms, callback) => systemClock.after(ms / factor, callback) };
}
