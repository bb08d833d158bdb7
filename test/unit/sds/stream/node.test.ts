import { describe, expect, test } from 'vitest';
import type { Node } from '../../../../src/gen/messages.ts';
import { formFor } from '../../../../src/sds/stream/node.ts';
import { decode, encode, type Input } from '../../../../src/wire/wire.ts';

/** As it comes over the wire. */
function nodeOf(node: Input<Node>): Node {
  return decode('envoy.config.core.v3.Node', encode('envoy.config.core.v3.Node', node));
}

const withMetadata = (value: Input<NonNullable<Node['metadata']>['fields'][string]>) =>
  nodeOf({ metadata: { fields: { disable_spiffe_cert_validation: value } } });
const withVersion = (major_number: number, minor_number: number, user_agent_name = 'envoy') =>
  nodeOf({ user_agent_name, user_agent_build_version: { version: { major_number, minor_number, patch: 0 } } });

describe('a node gets the form that is configured', () => {
  test.for([
    ['when it is not told', null],
    ['when it says nothing', nodeOf({ id: 'edge' })],
    ['with an Envoy that has the SPIFFE validator', withVersion(1, 18)],
    ['with an Envoy of a later generation', withVersion(2, 0)],
    ['with another client of an early version', withVersion(1, 9, 'grpc-go')],
    ['with an Envoy that does not tell its version', nodeOf({ user_agent_name: 'envoy', user_agent_build_version: {} })],
    ['with other metadata', nodeOf({ metadata: { fields: { role: { string_value: 'true' } } } })],
  ] as const)('%s', ([_what, node]) => {
    expect(formFor(node)).toBeUndefined();
  });

  test.for([
    { bool_value: false },
    { string_value: 'false' },
    { string_value: 'True' },
    { string_value: '1' },
    { number_value: 1 },
    { list_value: { values: [{ bool_value: true }] } },
  ])('when it disables the SPIFFE validator with anything but true: %j', (value) => {
    expect(formFor(withMetadata(value))).toBeUndefined();
  });
});

describe('a node gets the plain form', () => {
  test.for([{ bool_value: true }, { string_value: 'true' }])('when it disables the SPIFFE validator with %j', (value) => {
    expect(formFor(withMetadata(value))).toBe('trusted_ca');
  });
});

describe('a node gets the plain form whatever is to be said', () => {
  const lacking = [
    [1, 17],
    [0, 99],
  ] as const;

  test.for(lacking)('with Envoy %i.%i, which has no SPIFFE validator', ([major, minor]) => {
    expect(formFor(withVersion(major, minor))).toBe('legacy');
  });

  test.for(lacking)('with Envoy %i.%i, also when it asks for the plain form', ([major, minor]) => {
    const asking = { ...withVersion(major, minor), metadata: withMetadata({ bool_value: true }).metadata };
    expect(formFor(asking)).toBe('legacy');
  });
});
