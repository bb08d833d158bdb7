/** A status is less urgent than an update of the secrets: it lets that go out first. */
import { setImmediate, setTimeout } from 'node:timers/promises';

/** How long one status waits for updates in all: somebody who does not answer must not keep it. */
export const PATIENCE_MS = 250;
export const LOOK_MS = 5;

/** @returns lets others run, and waits while `isPushing` */
export function wayGiver(isPushing: () => boolean, wait: (ms: number) => Promise<void> = setTimeout): () => Promise<void> {
  let looks = PATIENCE_MS / LOOK_MS;
  return async () => {
    await setImmediate();
    for (; isPushing() && looks > 0; looks--) await wait(LOOK_MS);
  };
}
