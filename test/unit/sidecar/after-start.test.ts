import { expect, test, vi } from 'vitest';
import { AfterStart } from '../../../src/sidecar/after-start.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';

function starting() {
  const clock = new ManualClock();
  const afterStart = new AfterStart(clock);
  const work = vi.fn();
  return { clock, afterStart, work, forget: afterStart.run(work) };
}

test('work begins half a second after the start when the Workload API has answered by then', () => {
  const { clock, afterStart, work } = starting();
  afterStart.answered();
  clock.advance(499);
  expect(work).not.toHaveBeenCalled();
  clock.advance(1);
  expect(work).toHaveBeenCalledOnce();
});

test('work waits for the answer of a Workload API that takes longer', () => {
  const { clock, afterStart, work } = starting();
  clock.advance(4_999);
  expect(work).not.toHaveBeenCalled();
  afterStart.answered();
  clock.advance(0);
  expect(work).toHaveBeenCalledOnce();
});

test('work waits no longer than five seconds, and is done once', () => {
  const { clock, afterStart, work } = starting();
  clock.advance(5_000);
  expect(work).toHaveBeenCalledOnce();
  afterStart.answered();
  clock.advance(60_000);
  expect(work).toHaveBeenCalledOnce();
});

test('work that comes later is done at once', () => {
  const { clock, afterStart } = starting();
  clock.advance(5_000);
  const late = vi.fn();
  afterStart.run(late);
  expect(late).toHaveBeenCalledOnce();
});

test('work that was forgotten is never done', () => {
  const { clock, work, forget } = starting();
  forget();
  clock.advance(5_000);
  expect(work).not.toHaveBeenCalled();
});
