import { setImmediate } from 'node:timers/promises';
import { beforeEach, describe, expect, test } from 'vitest';
import { SharedAnswers } from '../../../src/admin/shared-answers.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';

let clock: ManualClock;
let revision: number;
/** What was asked for and is not answered yet, in order. */
let making: { readonly question: string; answer(text: string): void; fail(error: Error): void }[];
let answers: SharedAnswers<string, string>;

beforeEach(() => {
  clock = new ManualClock();
  revision = 0;
  making = [];
  answers = new SharedAnswers({
    make(question: string) {
      const { promise, resolve: answer, reject: fail } = Promise.withResolvers<string>();
      making.push({ question, answer, fail });
      return promise;
    },
    revision: () => revision,
    clock,
  });
});

async function answer(text: string): Promise<void> {
  await setImmediate();
  making.at(-1)?.answer(text);
  await setImmediate();
}

describe('an answer', () => {
  test('is made once for all who ask the same at the same time', async () => {
    const asked = Promise.all(Array.from({ length: 8 }, () => answers.ask('all')));
    await answer('one');
    expect([await asked, making.length]).toEqual([Array(8).fill('one'), 1]);
  });

  test('is kept for a moment', async () => {
    const first = answers.ask('all');
    await answer('one');
    clock.advance(249);
    expect([await first, await answers.ask('all'), making.length]).toEqual(['one', 'one', 1]);
    clock.advance(1);
    const later = answers.ask('all');
    await answer('another');
    expect(await later).toBe('another');
  });

  test('is made anew after something has happened', async () => {
    const before = answers.ask('all');
    await answer('one');
    revision += 1;
    const after = answers.ask('all');
    await answer('another');
    expect([await before, await after]).toEqual(['one', 'another']);
  });

  test('to another question is another one, and made after the first', async () => {
    const asked = Promise.all([answers.ask('all'), answers.ask('some')]);
    await setImmediate();
    expect(making.map(({ question }) => question)).toEqual(['all']);
    await answer('one');
    await answer('another');
    expect(await asked).toEqual(['one', 'another']);
  });

  test('that could not be made is tried again by who asks next', async () => {
    const failed = answers.ask('all');
    await setImmediate();
    making[0]?.fail(new Error('a bug'));
    await expect(failed).rejects.toThrow('a bug');
    const next = answers.ask('all');
    await answer('one');
    expect(await next).toBe('one');
  });
});
