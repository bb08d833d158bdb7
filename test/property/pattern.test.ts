import { expect, test } from 'vitest';
import { matcherOf } from '../../src/config/values/pattern.ts';
import { fc, runs } from '../support/properties.ts';

/** Few characters, so that names match often. */
const name = fc.string({ unit: fc.constantFrom('a', 'B', '.'), maxLength: 12 });
const pattern = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*'), maxLength: 8 });

test('patterns match what the regular expressions that they stand for match', () => {
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 3 }), name, (patterns, name) => {
      const expressions = patterns.map((text) => new RegExp(`^${text.replaceAll('.', '\\.').replaceAll('*', '.*')}$`, 'i'));
      expect(matcherOf(patterns)(name)).toBe(expressions.some((expression) => expression.test(name)));
    }),
    runs(5_000),
  );
});
