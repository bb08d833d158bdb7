import { describe, expect, test } from 'vitest';
import { ExportProblems } from '../../../../src/telemetry/otlp/export-problems.ts';
import { ManualClock } from '../../../support/clocks/manual-clock.ts';

function start(secrets: readonly string[] = []) {
  const clock = new ManualClock();
  const told: string[] = [];
  return { clock, told, problems: new ExportProblems(clock, secrets, (sentence) => told.push(sentence)) };
}

describe('what exporting runs into', () => {
  test('is reported at once, then once a minute with the number of those in between', () => {
    const { clock, told, problems } = start();
    for (let i = 0; i < 5; i += 1) problems.hear('a', 'gone');
    clock.advance(59_999);
    problems.hear('a', 'gone');
    expect(told).toEqual(['gone']);
    clock.advance(1);
    problems.hear('a', 'still gone');
    expect(told).toEqual(['gone', 'still gone (and 5 more since the last time this was reported)']);
  });

  test('does not hide what others run into', () => {
    const { told, problems } = start();
    problems.hear('a', 'gone');
    problems.hear('b', 'refuses');
    expect(told).toEqual(['gone', 'refuses']);
  });

  test('is one short line without secrets', () => {
    const { told, problems } = start(['Bearer hunter2', 'hunter2', 'it']);
    problems.hear('a', `it says:\r\n  no "Bearer hunter2", not hunter2\u2028${'x'.repeat(9999)}`);
    expect(told[0]).toMatch(/^it says: no "\[redacted\]", not \[redacted\] x+$/);
    expect(told[0]?.length).toBe(500);
  });
});
