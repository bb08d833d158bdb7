/** Sizes as text: `64KiB`, `1MiB`. */
import { SpiffeSdsError } from '../../error.ts';

const UNITS: Readonly<Record<string, number>> = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

export const SIZE_PATTERN = `^(\\d+)(${Object.keys(UNITS).join('|')})$`;
const FORM = new RegExp(SIZE_PATTERN);

/**
 * @param text a whole number and one of the units B, KiB, MiB, GiB
 * @returns bytes
 * @throws SpiffeSdsError `config_invalid`; the message says which form is accepted
 */
export function parseSize(text: string): number {
  const [, amount, unit = ''] = FORM.exec(text) ?? [];
  const bytes = Number(amount) * (UNITS[unit] ?? Number.NaN);
  if (Number.isSafeInteger(bytes)) return bytes;
  const form = 'write a whole number and a unit (B, KiB, MiB, GiB): 64KiB, 1MiB';
  throw new SpiffeSdsError('config_invalid', `not a size: ${JSON.stringify(text)}: ${form}`);
}

/**
 * The shortest text for a size.
 * @param bytes a whole number, not negative
 */
export function formatSize(bytes: number): string {
  const [unit, size] = Object.entries(UNITS).findLast(([, size]) => bytes >= size && bytes % size === 0) ?? ['B', 1];
  return `${bytes / size}${unit}`;
}
