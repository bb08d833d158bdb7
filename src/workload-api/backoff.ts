/** How long to wait before the next try. */

const FIRST_MS = 200;
const MAX_MS = 5_000;

/**
 * The first failure is retried at once; from the second on the wait doubles from 200 ms to 5 s, each spread over its upper half so that
 * many sidecars do not come back together.
 * @param failures in a row, at least 1
 * @param random uniform in [0, 1)
 * @returns milliseconds
 */
export function backoff(failures: number, random: number): number {
  if (failures <= 1) return 0;
  const ceiling = Math.min(MAX_MS, FIRST_MS * 2 ** Math.min(failures - 2, 10));
  return Math.round(ceiling * (0.5 + random / 2));
}
