import { beforeEach, describe, expect, test } from 'vitest';
import { returnMemory } from '../../../src/process/memory-return.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';

const MIB = 1024 * 1024;

let clock: ManualClock;
let live: number;
let garbage: number;
let collections: number;
let short: number;
let limit: number;
let tookMs: number;
/** On collections. */
let spentMs: number;
let end: () => void;

const memory = {
  get limit() {
    return limit;
  },
  resident: () => live + garbage,
  collect: () => {
    collections += 1;
    spentMs += tookMs;
    garbage = 0;
  },
};

beforeEach(() => {
  clock = new ManualClock(0);
  live = 70 * MIB;
  garbage = 0;
  collections = 0;
  short = 0;
  tookMs = 0;
  spentMs = 0;
  limit = Number.POSITIVE_INFINITY;
  const busy = { now: () => clock.now(), monotonic: () => clock.monotonic() + spentMs, after: clock.after.bind(clock) };
  end = returnMemory(busy, memory, () => {
    short += 1;
    live -= 20 * MIB;
  });
  // The start is over, and what it left behind is collected.
  pass(2);
  collections = 0;
});

test('what a start leaves behind is collected once', () => {
  end();
  end = returnMemory(clock, memory, () => undefined);
  garbage = 3 * MIB;
  pass(1.75);
  expect(collections).toBe(0);
  pass(600);
  expect({ collections, garbage }).toEqual({ collections: 1, garbage: 0 });
});

/** Timers come one after the other. */
function pass(seconds: number): void {
  for (let i = 0; i < 4 * seconds; i++) clock.advance(250);
}

describe('garbage', () => {
  test('is collected when there are 16 MiB of it', () => {
    garbage = 15 * MIB;
    pass(60);
    expect(collections).toBe(0);
    garbage = 16 * MIB;
    pass(1);
    expect(collections).toBe(1);
  });

  test('that was in use when the others were collected does not stay', () => {
    live += 100 * MIB;
    pass(1);
    expect(collections).toBe(1);
    live -= 100 * MIB;
    garbage = 100 * MIB;
    pass(20);
    expect({ collections, garbage }).toEqual({ collections: 2, garbage: 0 });
    pass(600);
    expect(collections).toBe(2);
  });

  test('is looked for less and less often while all is in use', () => {
    live += 100 * MIB;
    pass(3_600);
    expect(collections).toBeLessThan(14);
  });

  test.each([
    { mib: 16, seconds: 20 },
    { mib: 32, seconds: 5 },
    { mib: 64, seconds: 1.25 },
  ])('is collected after $seconds s when there are $mib MiB and the last collection took a second', ({ mib, seconds }) => {
    tookMs = 1_000;
    garbage = 16 * MIB;
    pass(0.25);
    expect(collections).toBe(1);
    garbage = mib * MIB;
    pass(seconds - 0.25);
    expect(collections).toBe(1);
    pass(0.5);
    expect(collections).toBe(2);
  });

  test('is looked for forty times a second while memory grows', () => {
    garbage = 15 * MIB;
    pass(0.25);
    garbage = 16 * MIB;
    clock.advance(25);
    expect(collections).toBe(1);
  });

  test('is left alone after the end', () => {
    end();
    garbage = 100 * MIB;
    pass(10);
    expect(collections).toBe(0);
  });
});

describe('when three quarters of the limit are in use', () => {
  beforeEach(() => {
    limit = 160 * MIB;
  });

  test('something has to go until it is less', () => {
    live = 150 * MIB;
    pass(10);
    expect({ short, live: live / MIB }).toEqual({ short: 2, live: 110 });
  });

  test('by garbage alone, nothing has to', () => {
    garbage = 80 * MIB;
    pass(10);
    expect({ short, garbage }).toEqual({ short: 0, garbage: 0 });
  });
});
