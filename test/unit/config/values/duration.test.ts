import { describe, expect, test } from 'vitest';
import { formatDuration, parseDuration, parseWait } from '../../../../src/config/values/duration.ts';
import { fc } from '../../../support/properties.ts';

describe('a duration', () => {
  test.each([
    ['200ms', 200],
    ['5s', 5000],
    ['1m30s', 90_000],
    ['1d2h3m4s5ms', 93_784_005],
    ['90m', 5_400_000],
    ['0s', 0],
  ])('%s is %d milliseconds', (text, milliseconds) => {
    expect(parseDuration(text)).toBe(milliseconds);
  });

  test.each(['', '5', 's', '1.5s', '-1s', '1 s', '1s1m', '1s1s', '1S', '5s\n'])('%j is refused with the form', (text) => {
    expect(() => parseDuration(text)).toThrow(/^not a duration: ".*": write whole numbers with units/);
  });

  test('that milliseconds cannot count exactly is refused', () => {
    expect(() => parseDuration('999999999999d')).toThrow('too long');
  });

  test('reads back as it was written', () => {
    const milliseconds = fc.nat({ max: Number.MAX_SAFE_INTEGER });
    fc.assert(fc.property(milliseconds, (value) => parseDuration(formatDuration(value)) === value));
  });
});

describe('a time to wait', () => {
  test.each([
    ['1ms', 1],
    ['24d', 24 * 86_400_000],
  ])('may be %s', (text, milliseconds) => {
    expect(parseWait(text)).toBe(milliseconds);
  });

  test.each(['0s', '25d'])('%s is refused, for no timer can wait for it', (text) => {
    expect(() => parseWait(text)).toThrow(`cannot wait for "${text}": write a duration from 1ms to 24d`);
  });

  test('may be none where none is meant', () => {
    expect(parseWait('0s', 0)).toBe(0);
    expect(() => parseWait('25d', 0)).toThrow('from 0s to 24d');
  });
});
