/** State of the world against a model of Envoy: whatever the order of requests, changes, ACKs, NACKs and reconnects, some things hold. */

import { describe, expect, test } from 'vitest';
import type { DiscoveryRequest } from '../../src/gen/messages.ts';
import { SOTW } from '../../src/sds/protocol/protocol.ts';
import type { SotwResponse, SotwState } from '../../src/sds/protocol/sotw-state.ts';
import { fc, runs } from '../support/properties.ts';
import { type Order, SotwEnvoy } from '../support/sds/envoy-model.ts';
import { GOOD, NAMES, type Step, steps, World } from '../support/sds/sds-world.ts';

const RUNS = runs(2_000);
const oneStream = { reconnect: 0, replace: 0 };
const subscribed: Step = { kind: 'subscribe', names: NAMES };
const legacy = () => new SotwEnvoy('legacy');
const unified = () => new SotwEnvoy('unified');

/** Also throws when a response breaks the rules, or when they do not end. */
function missingAfter(steps: readonly Step[], newEnvoy: () => SotwEnvoy): readonly string[] {
  const world = new World(SOTW, newEnvoy, isolates);
  for (const step of steps) world.run(step);
  world.settle();
  return world.missing;
}

function isolates({ names }: SotwState): boolean {
  return [...names.values()].some(({ suspect }) => suspect !== undefined);
}

/** Validates every time, and from some answer on takes nothing at all. */
class Contrary extends SotwEnvoy {
  #patience: number;

  constructor(patience: number) {
    super('legacy');
    this.#patience = patience;
  }

  override answer(response: SotwResponse, order: Order): DiscoveryRequest {
    const answer = super.answer(response, order);
    return this.#patience-- > 0 ? answer : { ...answer, error_detail: { code: 13, message: 'no' } };
  }
}

test('every response keeps to the rules, and they end', () => {
  fc.assert(
    fc.property(steps(), (steps) => {
      missingAfter(steps, legacy);
    }),
    RUNS,
  );
});

test('a client that takes nothing any more is not pestered', () => {
  fc.assert(
    fc.property(steps(), fc.nat(20), (steps, patience) => {
      missingAfter(steps, () => new Contrary(patience));
    }),
    RUNS,
  );
});

describe('every listener ends up with the newest that is good', () => {
  test('on one stream, whatever came beside it', () => {
    fc.assert(
      fc.property(steps({ weights: oneStream }), (steps) => {
        expect(missingAfter(steps, legacy)).toEqual([]);
      }),
      RUNS,
    );
  });

  test('on streams of one name, which Envoy has outside ADS', () => {
    fc.assert(
      fc.property(steps({ names: fc.constantFrom(['a'], ['bundle'], []) }), (steps) => {
        expect(missingAfter(steps, legacy)).toEqual([]);
      }),
      RUNS,
    );
  });

  // An Envoy that connects again acknowledges the bad bytes that it has seen, and nobody can tell: when it then gets other bad bytes for
  // the same name, or another listener that has not seen them, the NACK may be laid to the secret beside them.
  test('over reconnects, when a name is bad in one way and has one listener', () => {
    fc.assert(
      fc.property(steps({ versions: [...GOOD, 'bad', undefined], weights: { 'ask again': 0, subscribe: 0 } }), (steps) => {
        expect(missingAfter([subscribed, ...steps], legacy)).toEqual([]);
      }),
      RUNS,
    );
  });
});

describe('with unified mux', () => {
  test('every response keeps to the rules, and they end', () => {
    fc.assert(
      fc.property(steps(), (steps) => {
        missingAfter(steps, unified);
      }),
      RUNS,
    );
  });

  test('every listener ends up with the newest when nothing is bad or withdrawn', () => {
    fc.assert(
      fc.property(steps({ versions: GOOD, weights: { subscribe: 0 } }), (steps) => {
        expect(missingAfter([subscribed, ...steps], unified)).toEqual([]);
      }),
      RUNS,
    );
  });

  // It says nothing when another listener comes for a name that it has.
  test('every listener ends up with the newest that is good on one stream, whatever came beside it', () => {
    fc.assert(
      fc.property(steps({ weights: { ...oneStream, 'ask again': 0 } }), (steps) => {
        expect(missingAfter(steps, unified)).toEqual([]);
      }),
      RUNS,
    );
  });

  test('every listener ends up with the newest that is good on streams of one name', () => {
    fc.assert(
      fc.property(steps({ names: fc.constantFrom(['a'], ['bundle'], []) }), (steps) => {
        expect(missingAfter(steps, unified)).toEqual([]);
      }),
      RUNS,
    );
  });
});
