import { expect, test } from 'vitest';
import { Attestations } from '../../../src/node/attestations.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';

function asked(perSecond: number) {
  const clock = new ManualClock();
  const done: string[] = [];
  const attestations = new Attestations(() => perSecond, clock);
  const ask = (uid: number, name: string) => attestations.ask(uid, () => done.push(name));
  return { clock, done, attestations, ask };
}

test('what is within the rate does not wait', () => {
  const { done, ask } = asked(2);
  ask(1, 'a');
  ask(1, 'b');
  expect(done).toEqual(['a', 'b']);
});

test('users take turns: one who asks for much does not keep another waiting', () => {
  const { clock, done, ask } = asked(2);
  for (const name of ['a1', 'a2', 'a3', 'a4', 'a5']) ask(1, name);
  ask(2, 'b1');
  clock.advance(1_000);
  expect(done).toEqual(['a1', 'a2', 'a3', 'b1']);
  clock.advance(1_000);
  expect(done).toEqual(['a1', 'a2', 'a3', 'b1', 'a4', 'a5']);
});

test('what is forgotten takes the turn of nobody else', () => {
  const { clock, done, ask, attestations } = asked(1);
  ask(1, 'a1');
  const forget = ask(1, 'a2');
  ask(2, 'b1');
  forget();
  expect(attestations.waiting).toBe(1);
  clock.advance(1_000);
  expect(done).toEqual(['a1', 'b1']);
});
