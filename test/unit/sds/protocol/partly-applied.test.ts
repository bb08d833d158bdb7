/** What a model of Envoy found: cases in which a NACK, or an ACK that proves nothing, cost a listener a good secret. */
import { describe, expect, test } from 'vitest';
import { DELTA, SOTW } from '../../../../src/sds/protocol/protocol.ts';
import { DeltaEnvoy, SotwEnvoy } from '../../../support/sds/envoy-model.ts';
import { NAMES, type Step, World } from '../../../support/sds/sds-world.ts';

const change = (name: string, version: string | undefined): Step => ({ kind: 'change', name, version });
const subscribe = (...names: readonly string[]): Step => ({ kind: 'subscribe', names });
/** The listeners take what came in this order; the others follow. */
const answer = (...order: readonly string[]): Step => ({ kind: 'answer', order: [...new Set([...order, ...NAMES])] });
const askAgain = (name: string): Step => ({ kind: 'ask again', name });
const reconnect: Step = { kind: 'reconnect' };

/** The names whose newest content is good and that not every listener uses. */
function missingAfter(...steps: readonly Step[]): readonly string[] {
  const world = new World(
    SOTW,
    () => new SotwEnvoy('legacy'),
    ({ names }) => [...names.values()].some(({ suspect }) => suspect !== undefined),
  );
  for (const step of steps) world.run(step);
  world.settle();
  return world.missing;
}

describe('a good secret gets through', () => {
  test('beside one whose bytes were acknowledged only because they were the last that Envoy saw', () => {
    const falselyAcknowledged = [answer('a'), answer('a'), answer('a')];
    const start = [change('a', 'bad1'), change('b', '1'), subscribe('a', 'b'), ...falselyAcknowledged];
    expect(missingAfter(...start, change('a', 'bad2'), answer('a'), change('b', '2'), answer('a'))).toEqual([]);
  });

  test('beside bytes that are known to be bad, when another listener makes them count once more', () => {
    expect(missingAfter(subscribe('a', 'c'), change('a', 'bad1'), change('c', '1'), askAgain('a'))).toEqual([]);
  });

  test('that goes back to what it was in a response that is rejected for another', () => {
    const start = [...NAMES.map((name) => change(name, '0')), subscribe(...NAMES), answer(), change('b', '1'), change('a', '1')];
    const stalled: Step[] = [{ kind: 'stall' }, change('a', 'bad1'), answer(), change('a', 'bad2'), change('b', '2')];
    const rejected: Step[] = [{ kind: 'drain' }, answer('a'), answer('a'), askAgain('c'), answer('a')];
    expect(missingAfter(...start, ...stalled, ...rejected, change('a', 'bad1'), change('b', '1'))).toEqual([]);
  });
});

describe('a listener that comes for a name that is there', () => {
  test('is answered although the last response was rejected', () => {
    const start = [subscribe('a', 'b'), change('a', '1'), change('b', 'bad1'), answer(), answer()];
    expect(missingAfter(...start, askAgain('a'))).toEqual([]);
  });

  test('is answered again when the answer was rejected for another secret', () => {
    const start = [change('c', '1'), change('b', '1'), subscribe('b', 'c'), answer()];
    expect(missingAfter(...start, askAgain('b'), answer(), change('b', 'bad1'), askAgain('c'))).toEqual([]);
  });
});

test('a name that is withdrawn while a culprit is looked for is no reason for an empty response', () => {
  const start = [change('bundle', '1'), change('a', 'bad1'), change('c', '1'), subscribe('a', 'c', 'bundle')];
  expect(missingAfter(...start, answer('c', 'a'), answer('bundle', 'a'), change('a', undefined), askAgain('a'))).toEqual([]);
});

test('an Envoy that goes on over delta is not sent what it rejected, though it never had anything good of that name', () => {
  const world = new World(DELTA, () => new DeltaEnvoy());
  for (const step of [change('c', 'bad1'), change('a', '1'), subscribe('c', 'a'), answer(), answer(), reconnect]) world.run(step);
  expect(world.sent.map(({ secrets: [secret] }) => `${secret?.name}@${secret?.version}`)).toEqual(['c@bad1', 'a@1']);
});
