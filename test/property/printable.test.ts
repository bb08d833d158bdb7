import { expect, test } from 'vitest';
import { escaped, shortened } from '../../src/printable.ts';
import { fc } from '../support/properties.ts';

const text = fc.string({ unit: 'binary' });

test('escaped JSON means the same and holds nothing that a terminal or a reader of lines heeds', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
      const json = JSON.stringify(value);
      expect(JSON.parse(escaped(json))).toEqual(JSON.parse(json));
      expect(escaped(json)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
    }),
  );
});

test('a shortened text is well-formed, begins as the whole does, and is no longer than was asked for', () => {
  fc.assert(
    fc.property(text, fc.nat(20), (whole, length) => {
      const short = shortened(whole, length);
      expect(short.length).toBeLessThanOrEqual(Math.max(length + 1, 0));
      expect(short.isWellFormed()).toBe(true);
      if (whole.length <= length) expect(short).toBe(whole);
    }),
  );
});
