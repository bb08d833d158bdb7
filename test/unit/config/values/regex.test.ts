import { expect, test } from 'vitest';
import { regexChecker } from '../../../../src/config/values/regex.ts';

const problem = await regexChecker();

test.each(['spiffe://partner\\.test/(api|web)/.*', '(?i)a', '\\p{Greek}{1,1000}', '(?P<name>[^/]+)'])('%s is RE2', (regex) => {
  expect(problem(regex)).toBeUndefined();
});

test.each(['(', '(?=a)', '(?<=a)b', '(a)\\1', 'a{1001}', '*'])('%s is no RE2', (regex) => {
  expect(problem(regex)).toMatch(/^Envoy cannot read ".*" \(.*\): write RE2/);
});
