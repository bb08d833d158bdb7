import { describe, expect, test } from 'vitest';
import { ExportProblems } from '../../../../src/telemetry/otlp/export-problems.ts';
import { ManualClock } from '../../../support/clocks/manual-clock.ts';

function start(secrets: readonly string[] = []) {
  const clock = new ManualClock();
  const told: string[] = [];
  const over: string[] = [];
  const listener = { failed: (sentence: string) => told.push(sentence), recovered: (about: string) => over.push(about) };
  return { clock, told, over, problems: new ExportProblems(clock, secrets, listener) };
}

describe('what exporting runs into', () => {
  test('is reported at once, then once a minute with the number of those in between', () => {
    const { clock, told, problems } = start();
    for (let i = 0; i < 5; i += 1) problems.fails('a', 'traces', 'gone');
    clock.advance(59_999);
    problems.fails('a', 'traces', 'gone');
    expect(told).toEqual(['gone']);
    clock.advance(1);
    problems.fails('a', 'traces', 'still gone');
    expect(told).toEqual(['gone', 'still gone (and 5 more since the last time this was reported)']);
  });

  test('does not hide what others run into', () => {
    const { told, problems } = start();
    problems.fails('a', 'traces', 'gone');
    problems.happened('b', 'refuses');
    expect(told).toEqual(['gone', 'refuses']);
  });

  test('is one short line without secrets', () => {
    const { told, problems } = start(['Bearer hunter2', 'hunter2', 'it']);
    problems.happened('a', `it says:\r\n  no "Bearer hunter2", not hunter2\u2028${'x'.repeat(9999)}`);
    expect(told[0]).toMatch(/^it says: no "\[redacted\]", not \[redacted\] x+$/);
    expect(told[0]?.length).toBe(500);
  });

  test('is over once, when all that failed works again', () => {
    const { over, problems } = start();
    problems.works('a', ['traces']);
    problems.fails('a', 'traces', 'refused');
    problems.fails('a', 'logs', 'refused');
    problems.works('a', ['traces']);
    expect(over).toEqual([]);
    problems.works('a', ['logs']);
    problems.works('a', ['logs', 'traces']);
    expect(over).toEqual(['a']);
  });

  test('that comes and goes is told in turns, and no more often than once a minute', () => {
    const { clock, told, over, problems } = start();
    for (let second = 0; second < 120; second++) {
      problems.fails('a', 'traces', 'gone');
      problems.works('a', ['traces']);
      clock.advance(1_000);
    }
    expect([told.length, over.length]).toEqual([2, 2]);
  });
});
