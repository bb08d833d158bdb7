import { expect, test } from 'vitest';
import type { NameState } from '../../../../src/sds/protocol/name-state.ts';
import { Rejections } from '../../../../src/sds/protocol/rejections.ts';
import { NO_SECRETS, type SecretSet } from '../../../../src/secrets/secret-set.ts';
import { secret } from '../../../support/secrets/secrets.ts';

/** After it took version 1 and rejected another, unless it has nothing. */
function reject(rejections: Rejections, envoy: string, name: string, version: string, shown: string | undefined): void {
  const state: NameState = { rejected: version, ...(shown !== undefined && { accepted: secret(name, shown) }) };
  rejections.learn(envoy, new Map([[name, state]]), () => shown, secret(name, version));
}

function rejected(envoy: string, name: string, version: string): Rejections {
  const rejections = new Rejections();
  reject(rejections, envoy, name, version, '1');
  return rejections;
}

const shows = (version: string | undefined) => () => version;

/** A set with one secret, in one form. */
function setOf(name: string, version: string, form: 'spiffe' | 'trusted_ca'): SecretSet {
  return { ...NO_SECRETS, get: (other, asked) => (other === name && asked === form ? secret(name, version) : undefined) };
}

test('what an Envoy rejected is recalled with what it has instead', () => {
  expect(rejected('node', 'a', '2').recall(['node'], shows('1'))('a')).toMatchObject({
    rejected: '2',
    accepted: { version: '1' },
  });
});

test('what an Envoy rejected is recalled when it has nothing instead', () => {
  const rejections = new Rejections();
  reject(rejections, 'node', 'a', '1', undefined);
  expect(rejections.recall(['node'], shows(undefined))('a')).toEqual({ rejected: '1' });
});

test.each([
  ['another Envoy', 'other', 'a'],
  ['another name', 'node', 'b'],
])('nothing is recalled for %s', (_, node, name) => {
  expect(rejected('node', 'a', '2').recall([node], shows('1'))(name)).toBeUndefined();
});

test('the last rejection of a name counts', () => {
  const rejections = rejected('node', 'a', '2');
  reject(rejections, 'node', 'a', '3', '1');
  expect(rejections.recall(['node'], shows('1'))('a')).toMatchObject({ rejected: '3' });
});

test.each([
  ['nothing', undefined],
  ['what was rejected: it uses that', '2'],
  ['something else', '0'],
])('an Envoy that shows %s is another one, and nothing is recalled for it', (_, version) => {
  expect(rejected('node', 'a', '2').recall(['node'], shows(version))('a')).toBeUndefined();
});

test('what an Envoy shows is what it acknowledged last, also after the rejection', () => {
  const rejections = rejected('node', 'a', '2');
  rejections.learn('node', new Map([['a', { rejected: '2' }]]), shows('1b'));
  expect(['1', '1b'].map((version) => rejections.recall(['node'], shows(version))('a')?.rejected)).toEqual([undefined, '2']);
});

test('what an Envoy shows of a name that it does not reject changes nothing', () => {
  const rejections = rejected('node', 'a', '2');
  rejections.learn('node', new Map([['a', { rejected: '3' }]]), shows('1b'));
  expect(rejections.recall(['node'], shows('1'))('a')?.rejected).toBe('2');
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
  for (const node of ['again', 'oldest']) reject(rejections, node, 'a', '2', '1');
  reject(rejections, 'again', 'a', '2', '1');
  for (let node = 0; node < 4_095; node++) reject(rejections, String(node), 'a', '2', '1');
  const known = (node: string) => rejections.recall([node], shows('1'))('a') !== undefined;
  expect([rejections.size, known('oldest'), known('again')]).toEqual([4_096, false, true]);
});
