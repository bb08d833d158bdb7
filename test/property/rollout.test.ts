import { expect, test } from 'vitest';
import type { Subscriber } from '../../src/sds/delivery/delivery.ts';
import { Rollout } from '../../src/sds/delivery/rollout.ts';
import { ManualClock } from '../support/clocks/manual-clock.ts';
import { fc, runs } from '../support/properties.ts';

const TIMEOUT_MS = 1_000;

const stream = fc.record({
  awaitsBundle: fc.boolean(),
  /** When it has its bundle, or is gone. */
  at: fc.integer({ min: 1, max: 2 * TIMEOUT_MS }).filter((at) => at !== TIMEOUT_MS),
  gone: fc.boolean(),
});

test('a rollout ends when the last stream has its bundle or is gone, at the latest when its time is over', () => {
  fc.assert(
    fc.property(fc.array(stream, { minLength: 1, maxLength: 8 }), (plans) => {
      const clock = new ManualClock(0);
      const streams = plans.map(({ awaitsBundle }) => ({ awaitsBundle, deliver: () => {}, end: () => {} }));
      let ended: { readonly at: number; readonly late: number } | undefined;
      const rollout = new Rollout(streams as readonly Subscriber[], clock, clock.monotonic() + TIMEOUT_MS, (late) => {
        ended ??= { at: clock.now(), late };
      });
      for (const [index, { at, gone }] of plans.entries()) {
        const subscriber = streams[index] as (typeof streams)[number];
        clock.after(at, () => {
          subscriber.awaitsBundle &&= gone;
          rollout.settle(subscriber, gone);
        });
      }
      clock.advance(2 * TIMEOUT_MS);
      const waited = plans.filter(({ awaitsBundle }) => awaitsBundle).map(({ at }) => at);
      const late = waited.filter((at) => at > TIMEOUT_MS).length;
      const last = Math.max(0, ...waited);
      expect(ended).toEqual(late > 0 || last === 0 ? { at: TIMEOUT_MS, late } : { at: last, late: 0 });
    }),
    runs(1_000),
  );
});
