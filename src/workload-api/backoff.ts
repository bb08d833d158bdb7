/** How long to wait before the next attempt. */

const FIRST_MS = 200;
const MAX_MS = 5_000;

/**
 * After the first failure there is no wait. From the second failure on, the wait doubles from 200 ms to 5 s. A random factor between 0.5
 * and 1 keeps many sidecars from reconnecting at the same time.
 * @param failures consecutive failures, at least 1
 * @param random uniform in [0, 1)
 * @returns milliseconds
 */
export function backoff(failures: number, random: number): number {
  if (failures <= 1) return 0;
  const ceiling = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(failures - 2, 10));
  return Math.round(ceiling * (0.5 + random / 2));
}
