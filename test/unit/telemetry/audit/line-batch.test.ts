import { expect, test } from 'vitest';
import { LineBatch } from '../../../../src/telemetry/audit/line-batch.ts';

/** A batch whose lines are taken when it is full. */
function batch() {
  const taken: string[] = [];
  let first = 0;
  const lines: LineBatch = new LineBatch({
    onFirst: () => {
      first += 1;
    },
    onFull: () => taken.push(lines.take().toString()),
  });
  return { lines, taken, first: () => first };
}

test('lines come out as they went in, whole or in parts', () => {
  const { lines } = batch();
  lines.line('één\n');
  lines.parts(Buffer.from('head '), Buffer.from('middle '), 12, Buffer.from(' tail\n'));
  expect([lines.lines, lines.take().toString(), lines.lines]).toEqual([2, 'één\nhead middle 12 tail\n', 0]);
});

test('the first line after it was emptied is announced', () => {
  const { lines, first } = batch();
  lines.line('a\n');
  lines.line('b\n');
  lines.take();
  lines.line('c\n');
  expect(first()).toBe(2);
});

test('when it is full its lines are taken first, and nothing is lost', () => {
  const { lines, taken } = batch();
  const sent = Array.from({ length: 1000 }, (_, i) => `${String(i).padStart(199, 'x')}\n`);
  for (const line of sent) lines.line(line);
  expect(taken.length).toBeGreaterThan(1);
  expect(`${taken.join('')}${lines.take()}`).toBe(sent.join(''));
});

test('a line that is longer than the whole buffer goes through', () => {
  const { lines, taken } = batch();
  const long = `${'é'.repeat(100_000)}\n`;
  lines.line('short\n');
  lines.line(long);
  expect([taken, lines.take().toString()]).toEqual([['short\n'], long]);
});
