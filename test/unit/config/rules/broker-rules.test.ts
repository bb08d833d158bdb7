import { expect, test } from 'vitest';
import { problemsOf as problems } from '../../../support/sidecar/configuration.ts';

const delegated = (more: string) => `broker: { backend: delegated_identity, ${more} }`;

test.each([
  ['address: "tcp://agent:8443"', 'broker.address: tcp://agent:8443 is no admin socket of an agent'],
  ['server_id: "spiffe://example.org/spire/agent/*"', 'broker.server_id: an admin socket has no TLS'],
  ['reference: pod', 'broker.reference: backend: delegated_identity knows processes only'],
])('the Delegated Identity API has no place for %s', (text, problem) => {
  expect(problems(delegated(text))).toEqual([expect.stringContaining(problem)]);
  expect(problems(delegated(text).replace('backend: delegated_identity, ', ''))).toEqual([]);
});

test('it takes the admin socket of an agent', () => {
  expect(problems(delegated('address: "unix:///run/spire/admin/admin.sock"'))).toEqual([]);
});
