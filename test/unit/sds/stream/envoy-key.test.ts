/** How an Envoy is known again. */
import { expect, test } from 'vitest';
import { envoyKey, envoyKeys } from '../../../../src/sds/stream/envoy-key.ts';

const unknown = { stream: 1, method: 'sotw', node: 'edge', peer: { connection: 1 } } as const;
const known = { ...unknown, peer: { connection: 2, credentials: { uid: 101, gid: 102, pid: 7 } } } as const;

test('what it did before its credentials were known is found when they are', () => {
  expect(envoyKeys(known)).toEqual([envoyKey(known), envoyKey(unknown)]);
});

test('nothing of a known peer is found by one that is not known', () => {
  expect(envoyKeys(unknown)).not.toContain(envoyKey(known));
});

test('another user with the same node is another Envoy', () => {
  const other = { ...known, peer: { connection: 2, credentials: { uid: 0, gid: 102, pid: 7 } } };
  expect(envoyKey(other)).not.toBe(envoyKey(known));
});
