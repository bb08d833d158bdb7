import { describe, expect, test } from 'vitest';
import { backoff } from '../../../src/workload-api/backoff.ts';

describe('backoff', () => {
  test.for([0, 0.999])('retries the first failure at once, whatever the dice say (%s)', (random) => {
    expect(backoff(1, random)).toBe(0);
  });

  test('doubles from the second failure on, up to five seconds', () => {
    expect([2, 3, 4, 5, 6, 7, 8].map((failures) => backoff(failures, 0.999_999))).toEqual([
      200, 400, 800, 1600, 3200, 5000, 5000,
    ]);
  });

  test('waits half as long at least', () => {
    expect([2, 3, 8].map((failures) => backoff(failures, 0))).toEqual([100, 200, 2500]);
  });

  test('stays at five seconds after years of failure', () => {
    expect(backoff(Number.MAX_SAFE_INTEGER, 0.999_999)).toBe(5000);
  });
});
