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

/** For handshakes that began with the bundle before. */
const HANDSHAKE_MS = 250;

test('a rollout ends soon after the last stream has its bundle or is gone, at the latest when its time is over', () => {
  fc.assert(
    fc.property(fc.array(stream, { minLength: 1, maxLength: 8 }), (plans) => {
      const clock = new ManualClock(0);
      const streams = plans.map(({ awaitsBundle }) => ({ awaitsBundle, deliver: () => {}, end: () => {} }));
      let ended: { readonly at: number; readonly late: number } | undefined;
      const rollout = new Rollout(
        streams as readonly Subscriber[],
        clock,
        { deadline: clock.monotonic() + TIMEOUT_MS },
        (late) => {
          ended ??= { at: clock.now(), late };
        },
      );
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
      const end = late > 0 ? TIMEOUT_MS : Math.min(TIMEOUT_MS, last + HANDSHAKE_MS);
      expect(ended).toEqual(waited.length === 0 ? undefined : { at: end, late });
    }),
    runs(1_000),
  );
});
