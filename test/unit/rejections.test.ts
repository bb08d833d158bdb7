import { expect, test } from 'vitest';
import { Rejections } from '../../src/sds/rejections.ts';
import { NO_SECRETS, type SecretSet } from '../../src/secrets/secret-set.ts';
import { secret } from '../support/secrets.ts';

function rejected(node: string, name: string, version: string): Rejections {
  const rejections = new Rejections();
  rejections.remember(node, secret(name, version), secret(name, '1'));
  return rejections;
}

/** A set with one secret, in one form. */
function setOf(name: string, version: string, form: 'spiffe' | 'trusted_ca'): SecretSet {
  return { ...NO_SECRETS, get: (other, asked) => (other === name && asked === form ? secret(name, version) : undefined) };
}

test('what an Envoy rejected is told with what it has instead', () => {
  expect(rejected('node', 'a', '2').recall('node')('a')).toMatchObject({ rejected: '2', accepted: { version: '1' } });
});

test('what an Envoy rejected is told when it has nothing instead', () => {
  const rejections = new Rejections();
  rejections.remember('node', secret('a', '1'), undefined);
  expect(rejections.recall('node')('a')).toEqual({ name: 'a', rejected: '1' });
});

test.each([
  ['another Envoy', 'other', 'a'],
  ['another name', 'node', 'b'],
])('nothing is told to %s', (_, node, name) => {
  expect(rejected('node', 'a', '2').recall(node)(name)).toBeUndefined();
});

test('the last rejection of a name counts', () => {
  const rejections = rejected('node', 'a', '2');
  rejections.remember('node', secret('a', '3'), undefined);
  expect(rejections.recall('node')('a')).toEqual({ name: 'a', rejected: '3' });
});

test.each(['spiffe', 'trusted_ca'] as const)('what is still the newest in the form %s is kept', (form) => {
  const rejections = rejected('node', 'a', '2');
  rejections.retain(setOf('a', '2', form));
  expect(rejections.size).toBe(1);
});

test('what is not the newest any more is forgotten', () => {
  const rejections = rejected('node', 'a', '2');
  rejections.retain(setOf('a', '3', 'spiffe'));
  expect(rejections.size).toBe(0);
});

test('what is withdrawn is forgotten', () => {
  const rejections = rejected('node', 'a', '2');
  rejections.retain(NO_SECRETS);
  expect(rejections.size).toBe(0);
});

test('the oldest of more than 4096 is forgotten, unless it came again', () => {
  const rejections = new Rejections();
  for (const node of ['again', 'oldest']) rejections.remember(node, secret('a', '1'), undefined);
  rejections.remember('again', secret('a', '1'), undefined);
  for (let node = 0; node < 4_095; node++) rejections.remember(String(node), secret('a', '1'), undefined);
  const known = (node: string) => rejections.recall(node)('a') !== undefined;
  expect([rejections.size, known('oldest'), known('again')]).toEqual([4_096, false, true]);
});
