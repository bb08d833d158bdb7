import { setTimeout as delay } from 'node:timers/promises';
import { messageOf } from '../../src/error.ts';

/**
 * Asks again and again until there is an answer: for what another process tells only when asked.
 * @param probe undefined and an error both mean "not yet"
 * @throws after `timeoutMs`, with what was waited for and the last error
 */
export async function eventually<T>(what: string, probe: () => Promise<T | undefined>, timeoutMs = 20_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  let last = '';
  for (;;) {
    try {
      const answer = await probe();
      if (answer !== undefined) return answer;
    } catch (thrown) {
      last = `: ${messageOf(thrown)}`;
    }
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain for ${what}${last}`);
    await delay(20);
  }
}
