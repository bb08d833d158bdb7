import { expect, test } from 'vitest';
import { LOOK_MS, PATIENCE_MS, wayGiver } from '../../../src/admin/way-giver.ts';

/** @param pushingFor looks in a row, each time that somebody gives way */
function giving(pushingFor: number) {
  let waited = 0;
  let left = pushingFor;
  const giveWay = wayGiver(
    () => left > 0,
    async (ms) => {
      waited += ms;
      left -= 1;
    },
  );
  return {
    async waited() {
      waited = 0;
      left = pushingFor;
      await giveWay();
      return waited;
    },
  };
}

test('a status waits for no update when none goes out', async () => {
  expect(await giving(0).waited()).toBe(0);
});

test('a status waits until an update has gone out', async () => {
  expect(await giving(3).waited()).toBe(3 * LOOK_MS);
});

test('a status does not wait for who never answers, and not again', async () => {
  const status = giving(1_000_000);
  expect([await status.waited(), await status.waited()]).toEqual([PATIENCE_MS, 0]);
});

test('lets others run before it looks', async () => {
  const ran: string[] = [];
  setImmediate(() => ran.push('other'));
  await wayGiver(() => false)();
  expect(ran).toEqual(['other']);
});
