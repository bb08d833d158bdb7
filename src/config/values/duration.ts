/** Durations as text: `200ms`, `5s`, `1m30s`. */
import { SpiffeSdsError } from '../../error.ts';

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const;
/** The longest time that Node's timers accept. */
const MAX_WAIT_MS = 2 ** 31 - 1;
/** At least one unit, each at most once, the largest first. */
export const DURATION_PATTERN = `^(?=\\d)${UNITS.map(([unit]) => `(?:(\\d+)${unit})?`).join('')}$`;
const FORM = new RegExp(DURATION_PATTERN);

/**
 * @param text whole numbers with units d, h, m, s, ms, the largest first
 * @returns milliseconds
 * @throws SpiffeSdsError `config_invalid`; the message says which form is accepted
 */
export function parseDuration(text: string): number {
  const amounts = FORM.exec(text)?.slice(1);
  if (amounts === undefined) {
    const form = 'write whole numbers with units (d, h, m, s, ms), the largest first: 200ms, 5s, 1m30s';
    throw new SpiffeSdsError('config_invalid', `not a duration: ${JSON.stringify(text)}: ${form}`);
  }
  const milliseconds = UNITS.reduce((sum, [, size], i) => sum + Number(amounts[i] ?? 0) * size, 0);
  if (!Number.isSafeInteger(milliseconds)) {
    throw new SpiffeSdsError('config_invalid', `not a duration: ${JSON.stringify(text)}: it is too long`);
  }
  return milliseconds;
}

/**
 * @param text a duration that a timer can wait for, 24d at most
 * @param least milliseconds; default: 1
 * @returns milliseconds
 * @throws SpiffeSdsError `config_invalid`; the message says which values are accepted
 */
export function parseWait(text: string, least = 1): number {
  const milliseconds = parseDuration(text);
  if (milliseconds >= least && milliseconds <= MAX_WAIT_MS) return milliseconds;
  const range = `${formatDuration(least)} to 24d`;
  throw new SpiffeSdsError('config_invalid', `cannot wait for ${JSON.stringify(text)}: write a duration from ${range}`);
}

/**
 * The shortest text for a duration.
 * @param milliseconds a whole number, not negative
 */
export function formatDuration(milliseconds: number): string {
  let rest = milliseconds;
  const parts = UNITS.map(([unit, size]) => {
    const amount = Math.floor(rest / size);
    rest -= amount * size;
    return amount === 0 ? '' : `${amount}${unit}`;
  });
  return parts.join('') || '0s';
}
