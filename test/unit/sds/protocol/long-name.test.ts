/** Names that are too long: what stands for them. */
import { describe, expect, test } from 'vitest';
import type { DeltaDiscoveryRequest, DiscoveryRequest } from '../../../../src/gen/messages.ts';
import { INITIAL_DELTA_STATE, next, receive } from '../../../../src/sds/protocol/delta.ts';
import { isStandIn, withShortNames } from '../../../../src/sds/protocol/long-name.ts';
import { parseSpiffeId } from '../../../../src/spiffe/spiffe-id.ts';
import { decode } from '../../../../src/wire/wire.ts';
import { view } from '../../../support/secrets/secrets.ts';

const LONG = 'n'.repeat(2_049);
const NOTHING: DiscoveryRequest = decode('envoy.service.discovery.v3.DiscoveryRequest', Buffer.alloc(0));
const NOTHING_IN_DELTA: DeltaDiscoveryRequest = decode('envoy.service.discovery.v3.DeltaDiscoveryRequest', Buffer.alloc(0));

function standInFor(name: string): string {
  const [standIn] = withShortNames({ ...NOTHING, resource_names: [name] }).resource_names;
  return standIn as string;
}

describe('what stands for a long name', () => {
  test('is short', () => {
    expect(standInFor('n'.repeat(1_000_000)).length).toBeLessThan(150);
  });

  test('is no name that there can be', () => {
    expect(() => parseSpiffeId(standInFor(LONG))).toThrow();
    expect(standInFor(LONG)).toMatch(/^spiffe:\/\//);
  });

  test('is another for another name', () => {
    expect(standInFor(LONG)).not.toBe(standInFor(`${LONG.slice(1)}m`));
  });

  test('is known as such', () => {
    expect([isStandIn(standInFor(LONG)), isStandIn(LONG), isStandIn('spiffe://example.org')]).toEqual([true, false, false]);
  });

  test('is the same wherever in a delta request the name stands', () => {
    const request = {
      resource_names_subscribe: ['a', LONG],
      resource_names_unsubscribe: [LONG],
      initial_resource_versions: { [LONG]: '1', a: '2' },
    };
    const standIn = standInFor(LONG);
    expect(withShortNames({ ...NOTHING_IN_DELTA, ...request })).toMatchObject({
      resource_names_subscribe: ['a', standIn],
      resource_names_unsubscribe: [standIn],
      initial_resource_versions: { [standIn]: '1', a: '2' },
    });
  });
});

test.each([
  ['of 2048 bytes', 'n'.repeat(2_048)],
  ['of 1024 letters of two bytes', 'é'.repeat(1_024)],
  ['that is __proto__', '__proto__'],
])('a name %s is left as it is', (_what, name) => {
  expect(standInFor(name)).toBe(name);
  const { initial_resource_versions } = withShortNames({
    ...NOTHING_IN_DELTA,
    initial_resource_versions: Object.fromEntries([[name, '1']]),
  });
  expect(Object.entries(initial_resource_versions)).toEqual([[name, '1']]);
});

test('bytes count, not letters', () => {
  expect(isStandIn(standInFor('é'.repeat(1_025)))).toBe(true);
});

test('a long name is never removed: not when it is held, not when it is asked for on demand', () => {
  const standIn = standInFor(LONG);
  const request = { subscribe: [standIn], unsubscribe: [], initialVersions: { [standIn]: '1' }, nonce: '', rejected: false };
  const { state } = receive(INITIAL_DELTA_STATE, request, { answerEmptyRequest: true, recall: () => undefined });
  const other = receive(
    INITIAL_DELTA_STATE,
    { ...request, initialVersions: {} },
    { answerEmptyRequest: true, recall: () => undefined },
  );
  const onDemand = view({}, () => true);
  expect([next(state, onDemand), next(other.state, onDemand)]).toEqual([undefined, undefined]);
});
