/** The two forms of time that RFC 5280 allows (sections 4.1.2.5.1 and 4.1.2.5.2): to the second, in UTC, without a fraction. */

const UTC_TIME = 0x17;
const GENERALIZED_TIME = 0x18;
const ZULU = 0x5a;
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;
/** Date.UTC treats the years 0 to 99 as 1900 to 1999. The calendar repeats every 400 years, so such a year is moved by one cycle. */
const CYCLE_YEARS = 400;
const CYCLE_MS = 146_097 * 86_400_000;

/** Whether an element with this tag is a time. `timeAt` reads it. */
export function isTime(tag: number | undefined): boolean {
  return tag === UTC_TIME || tag === GENERALIZED_TIME;
}

/**
 * Reads a time without making an object, because a CRL can have hundreds of thousands of them.
 * @param from where the content begins in `bytes`
 * @param to where the content ends in `bytes`
 * @returns milliseconds since the epoch
 * @throws RangeError when it has another form, or the date or time does not exist
 */
export function timeAt(tag: number | undefined, bytes: Uint8Array, from: number, to: number): number {
  const yearDigits = tag === UTC_TIME ? 2 : 4;
  if (!isTime(tag) || to - from !== yearDigits + 11 || bytes[to - 1] !== ZULU) throw new RangeError(WRONG);
  const at = from + yearDigits;
  const short = twoDigits(bytes, at - 2);
  const year = tag === UTC_TIME ? short + (short < 50 ? 2000 : 1900) : twoDigits(bytes, from) * 100 + short;
  const month = twoDigits(bytes, at);
  const day = twoDigits(bytes, at + 2);
  const hour = twoDigits(bytes, at + 4);
  const minute = twoDigits(bytes, at + 6);
  const second = twoDigits(bytes, at + 8);
  if (month < 1 || day < 1 || day > daysOf(month, year) || hour > 23 || minute > 59 || second > 59) throw new RangeError(WRONG);
  return Date.UTC(year + CYCLE_YEARS, month - 1, day, hour, minute, second) - CYCLE_MS;
}

const WRONG = 'a time in it is not one of the forms of RFC 5280, to the second and in UTC';

function daysOf(month: number, year: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return (DAYS[month - 1] ?? 0) + (month === 2 && isLeap ? 1 : 0);
}

function twoDigits(bytes: Uint8Array, at: number): number {
  return digit(bytes[at]) * 10 + digit(bytes[at + 1]);
}

function digit(byte = 0): number {
  if (byte < 0x30 || byte > 0x39) throw new RangeError(WRONG);
  return byte - 0x30;
}
