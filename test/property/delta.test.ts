/** Delta against a model of Envoy: whatever the order of requests, changes, ACKs, NACKs and reconnects, some things hold. */

import { expect, test } from 'vitest';
import type { DeltaDiscoveryRequest } from '../../src/gen/messages.ts';
import type { DeltaResponse } from '../../src/sds/protocol/delta.ts';
import { DELTA } from '../../src/sds/protocol/protocol.ts';
import { fc, runs } from '../support/properties.ts';
import { DeltaEnvoy, type Order } from '../support/sds/envoy-model.ts';
import { steps, World } from '../support/sds/sds-world.ts';

const RUNS = runs(2_000);

/** Validates every time, and from some answer on takes nothing at all. */
class Contrary extends DeltaEnvoy {
  #patience: number;

  constructor(patience: number) {
    super();
    this.#patience = patience;
  }

  override answer(response: DeltaResponse, order: Order): DeltaDiscoveryRequest {
    const answer = super.answer(response, order);
    return this.#patience-- > 0 ? answer : { ...answer, error_detail: { code: 13, message: 'no' } };
  }

  protected override refuses(): boolean {
    return this.#patience <= 0;
  }
}

test('every response keeps to the rules, and every listener ends up with the newest that is good', () => {
  fc.assert(
    fc.property(steps(), (steps) => {
      const world = new World(DELTA, () => new DeltaEnvoy());
      for (const step of steps) world.run(step);
      world.settle();
      expect(world.missing).toEqual([]);
    }),
    RUNS,
  );
});

test('a client that takes nothing any more is not pestered', () => {
  fc.assert(
    fc.property(steps(), fc.nat(20), (steps, patience) => {
      const world = new World(DELTA, () => new Contrary(patience));
      for (const step of steps) world.run(step);
      world.settle();
    }),
    RUNS,
  );
});
