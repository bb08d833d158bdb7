import { describe, expect, test } from 'vitest';
import { matcherOf } from '../../../../src/config/values/pattern.ts';

describe('a pattern', () => {
  test.each([
    ['a.example.org', 'a.example.org'],
    ['*.example.org', 'a.example.org'],
    ['*.example.org', 'a.b.example.org'],
    ['*.EXAMPLE.org', 'a.example.ORG'],
    ['a*', 'a'],
    ['*', ''],
    ['*', 'anything/at all'],
    ['a*b*c', 'a-b-b-c'],
    ['a**c', 'ac'],
    ['sds://*.example.*', 'sds://a.example.org'],
  ])('%s matches %j', (pattern, name) => {
    expect(matcherOf([pattern])(name)).toBe(true);
  });

  test.each([
    ['a.example.org', 'a.example.org.'],
    ['a.example.org', 'xa.example.org'],
    ['*.example.org', 'example.org'],
    ['*.example.org', 'a.example.org.evil.test'],
    ['a.example.org', 'a-example-org'],
    ['aa*aa', 'aaa'],
    ['a*b*c', 'ac'],
    ['a*bc*c', 'abc'],
    ['a?', 'ab'],
  ])('%s does not match %j', (pattern, name) => {
    expect(matcherOf([pattern])(name)).toBe(false);
  });
});

test('one of several patterns is enough', () => {
  expect(['a', 'xb', 'c'].map(matcherOf(['a', '*b']))).toEqual([true, true, false]);
});

test('without patterns nothing matches', () => {
  expect(matcherOf([])('')).toBe(false);
});
