import { expect, test } from 'vitest';
import { initialRate, type Rate, take } from '../../../../src/rate.ts';
import { REQUEST_RATE } from '../../../../src/sds/stream/request-rate.ts';

/** How many requests pass at that moment, and the rate after them. */
function passing(rate: Rate, now: number): { readonly count: number; readonly rate: Rate } {
  let count = 0;
  let after = rate;
  for (let next = take(REQUEST_RATE, after, now); next !== undefined; next = take(REQUEST_RATE, after, now)) {
    after = next;
    count++;
  }
  return { count, rate: after };
}

const exhausted = passing(initialRate(REQUEST_RATE, 0), 0).rate;

test('two thousand listeners may come at once', () => {
  expect(passing(initialRate(REQUEST_RATE, 5), 5).count).toBe(2_000);
});

test('a hundred a second may follow', () => {
  expect(passing(exhausted, 1_000).count).toBe(100);
});

test('one passes after ten milliseconds, none after nine', () => {
  expect([passing(exhausted, 9).count, passing(exhausted, 10).count]).toEqual([0, 1]);
});

test('a long silence saves up no more than two thousand', () => {
  expect(passing(exhausted, 3_600_000).count).toBe(2_000);
});

test('a clock that is set back gives nothing and takes nothing', () => {
  expect(take(REQUEST_RATE, { tokens: 5, at: 1_000 }, 0)).toEqual({ tokens: 4, at: 0 });
});
