/** Long work in short steps, so that others get their turn in between. */
import { setImmediate } from 'node:timers/promises';

/** Yields after each step, which should take no more than some milliseconds. */
export type Steps<T> = Generator<void, T, void>;

/** All steps, one after the other. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** The same; after each step whatever else waits for the event loop has its turn. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
    await setImmediate();
  }
}
