import { describe, expect, test } from 'vitest';
import type { Subscriber } from '../../../../src/sds/delivery/delivery.ts';
import { Rollout } from '../../../../src/sds/delivery/rollout.ts';
import { ManualClock } from '../../../support/clocks/manual-clock.ts';

interface Stream extends Subscriber {
  awaitsBundle: boolean;
}

/** A rollout to streams of which some await a bundle, and how it was finished. */
function rollout(...awaiting: readonly boolean[]) {
  return rolloutAfter(undefined, ...awaiting);
}

/** @param answeredAt when the rollout before it had its answers */
function rolloutAfter(answeredAt: number | undefined, ...awaiting: readonly boolean[]) {
  const streams = awaiting.map((awaitsBundle): Stream => ({ awaitsBundle, deliver: () => {}, end: () => {} }));
  const clock = new ManualClock();
  const finished: number[] = [];
  const started = new Rollout(streams, clock, { deadline: clock.monotonic() + 2_000, answeredAt }, (late) => finished.push(late));
  const take = (index: number) => {
    const stream = streams[index] as Stream;
    stream.awaitsBundle = false;
    started.settle(stream, false);
  };
  return { streams, clock, finished, started, take };
}

describe('a rollout', () => {
  test('waits for the streams that await a bundle, and for no other', () => {
    expect(rollout(true, false, true).started.waiting).toBe(2);
  });

  test('is finished when the last of them has its bundle, and handshakes with the one before are over', () => {
    const { clock, finished, take } = rollout(true, false, true);
    take(0);
    clock.advance(500);
    take(2);
    clock.advance(249);
    const before = [...finished];
    clock.advance(1);
    expect([before, finished]).toEqual([[], [0]]);
  });

  test('waits for handshakes no longer than its timeout', () => {
    const { clock, finished, take } = rollout(true);
    clock.advance(1_900);
    take(0);
    clock.advance(100);
    expect(finished).toEqual([0]);
  });

  test('that nobody awaits is over at once', () => {
    const { clock, started, finished } = rollout(false);
    clock.advance(10_000);
    expect([started.isOver, finished]).toEqual([true, []]);
  });

  test('that takes the place of another goes on waiting for the handshakes', () => {
    const { clock, started, finished } = rolloutAfter(new ManualClock().monotonic() - 100, false);
    clock.advance(149);
    const before = [started.isOver, ...finished];
    clock.advance(1);
    expect([before, finished]).toEqual([[false], [0]]);
  });

  test('goes on waiting for a stream that answered something else', () => {
    const { streams, started, finished } = rollout(true);
    started.settle(streams[0] as Stream, false);
    expect([started.waiting, finished]).toEqual([1, []]);
  });

  test('does not wait for a stream that is gone', () => {
    const { clock, streams, started, finished } = rollout(true);
    started.settle(streams[0] as Stream, true);
    clock.advance(250);
    expect(finished).toEqual([0]);
  });

  test('takes no notice of streams that opened after it began', () => {
    const { streams, started, finished } = rollout(true);
    started.settle({ ...(streams[0] as Stream), awaitsBundle: false }, false);
    expect([started.waiting, finished]).toEqual([1, []]);
  });

  test('waits no longer than its timeout, and says how many are late', () => {
    const { clock, finished, take } = rollout(true, true, true);
    take(0);
    clock.advance(1_999);
    const before = [...finished];
    clock.advance(1);
    expect([before, finished]).toEqual([[], [2]]);
  });

  test('that is finished has no timeout any more', () => {
    const { clock, finished, take } = rollout(true);
    take(0);
    clock.advance(10_000);
    expect(finished).toEqual([0]);
  });

  test('that is cancelled has no timeout any more', () => {
    const { clock, finished, started } = rollout(true);
    started.cancel();
    clock.advance(10_000);
    expect(finished).toEqual([]);
  });
});
