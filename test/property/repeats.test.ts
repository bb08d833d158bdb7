import { describe, expect, test } from 'vitest';
import { Repeats } from '../../src/telemetry/log/repeats.ts';
import { ManualClock } from '../support/clocks/manual-clock.ts';
import { fc, runs } from '../support/properties.ts';

const MINUTE_MS = 60_000;
const BOUND = 5;

interface Written {
  readonly at: number;
  readonly kind: string;
  readonly subject: string;
  readonly count: number;
  readonly alike: boolean;
}

const step = fc.record({
  kind: fc.constantFrom('lost', 'held'),
  subject: fc.integer({ min: 0, max: 12 }).map(String),
  afterMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2_000 }), fc.integer({ min: 0, max: 3 * MINUTE_MS })),
});
type Step = { readonly kind: string; readonly subject: string; readonly afterMs: number };

/** What is written: while it happens, and after all. */
function play(steps: readonly Step[]): { readonly running: readonly Written[]; readonly all: readonly Written[] } {
  const clock = new ManualClock(0);
  const written: Written[] = [];
  const repeats = new Repeats<Step>({
    clock,
    linesPerMinute: BOUND,
    write: ({ kind, subject }) => written.push({ at: clock.now(), kind, subject, count: 1, alike: true }),
    writeRepeated: ({ kind, subject }, count, alike) => written.push({ at: clock.now(), kind, subject, count, alike }),
  });
  for (const each of steps) {
    clock.advance(each.afterMs);
    repeats.hear(each.kind, each.subject, each);
  }
  const running = [...written];
  repeats.flush();
  return { running, all: written };
}

function sum(written: readonly Written[]): number {
  return written.reduce((total, { count }) => total + count, 0);
}

describe('whatever comes, and whenever', () => {
  const many = fc.array(step, { maxLength: 400, size: 'max' });

  test('no count is lost', () => {
    fc.assert(
      fc.property(many, (steps) => {
        expect(sum(play(steps).all)).toBe(steps.length);
      }),
    );
  });

  test('a count of lines that are alike counts no others', () => {
    fc.assert(
      fc.property(many, (steps) => {
        for (const subject of new Set(steps.map((each) => each.subject))) {
          const alike = play(steps).all.filter((line) => line.alike && line.subject === subject);
          expect(sum(alike)).toBeLessThanOrEqual(steps.filter((each) => each.subject === subject).length);
        }
      }),
      runs(30),
    );
  });

  test('no kind has more lines in a minute than the bound', () => {
    fc.assert(
      fc.property(many, fc.constantFrom('lost', 'held'), (steps, kind) => {
        const lines = play(steps).running.filter((line) => line.kind === kind);
        let begun = Number.NEGATIVE_INFINITY;
        let count = 0;
        for (const { at } of lines) {
          if (at >= begun + MINUTE_MS) {
            begun = at;
            count = 0;
          }
          count += 1;
          expect(count).toBeLessThanOrEqual(BOUND);
        }
      }),
    );
  });
});
