import { describe, expect, test } from 'vitest';
import type { Event } from '../../../src/events.ts';
import { SideProblems, TOLD_MS } from '../../../src/state/side-problems.ts';

const COLLECTOR = 'http://collector:4317';
const failed = (reason: string, about?: string): Event => ({ type: 'telemetry_failed', reason, ...(about && { about }) });
const recovered = (about: string): Event => ({ type: 'telemetry_recovered', about });

/** Hears one event in each millisecond, and looks in the next. */
function heard(...events: readonly Event[]) {
  const problems = new SideProblems();
  events.forEach((event, at) => {
    problems.hear(event, at);
  });
  return problems.at(events.length);
}

describe('what does not work beside the way of the secrets', () => {
  test('is told with its reason, since when, and when last', () => {
    expect(heard(failed('refused', COLLECTOR), failed('times out', COLLECTOR))).toMatchObject([
      { of: 'telemetry', reason: 'times out', since: 0, at: 1 },
    ]);
  });

  test('is gone when it works again, and begins anew when it fails again', () => {
    expect(heard(failed('refused', COLLECTOR), recovered(COLLECTOR))).toEqual([]);
    const again = heard(failed('refused', COLLECTOR), recovered(COLLECTOR), failed('refused', COLLECTOR));
    expect(again).toMatchObject([{ since: 2 }]);
  });

  test('is there for as long as it lasts, and what happened once for an hour', () => {
    const problems = new SideProblems();
    problems.hear(failed('refused', COLLECTOR), 0);
    problems.hear(failed('12 entries of the start are missing'), 0);
    expect(problems.at(TOLD_MS - 1)).toHaveLength(2);
    expect(problems.at(TOLD_MS)).toMatchObject([{ reason: 'refused' }]);
  });

  test('is told of each collector for itself', () => {
    expect(heard(failed('refused', COLLECTOR), failed('no such host', 'other'), recovered('other'))).toMatchObject([
      { reason: 'refused' },
    ]);
  });

  test('of the audit is over when lines are written again, whether they could not be written or not fast enough', () => {
    const dropped: Event = { type: 'audit_dropped', lines: 3 };
    const full: Event = { type: 'audit_failed', reason: 'the disk is full' };
    expect(heard(dropped)).toMatchObject([{ of: 'audit', reason: expect.stringContaining('fast enough') }]);
    expect(heard(full, dropped)).toMatchObject([{ of: 'audit', reason: 'the disk is full' }]);
    expect(heard(full, dropped, { type: 'audit_recovered' })).toEqual([]);
  });

  test('is bounded, and what is new has room when what is old is over', () => {
    const problems = new SideProblems();
    for (let i = 0; i < 1000; i++) problems.hear(failed(`${i}`), 0);
    expect(problems.at(1)).toHaveLength(20);
    problems.hear(failed('new'), TOLD_MS);
    expect(problems.at(TOLD_MS)).toMatchObject([{ reason: 'new' }]);
  });
});
