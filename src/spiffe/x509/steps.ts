/** Splits long work into short steps, so that it does not block the event loop. */
import { setImmediate } from 'node:timers/promises';

/** A generator that yields after each step. A step should take only some milliseconds. */
export type Steps<T> = Generator<void, T, void>;

/** Runs all steps without a pause. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** Runs all steps, and lets the event loop continue after each. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    await setImmediate();
  }
}
