import { describe, expect, test } from 'vitest';
import { formatSize, parseSize } from '../../../../src/config/values/size.ts';
import { fc } from '../../../support/properties.ts';

describe('a size', () => {
  test.each([
    ['0B', 0],
    ['512B', 512],
    ['64KiB', 65_536],
    ['1MiB', 1_048_576],
    ['2GiB', 2_147_483_648],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(['', '1', 'MiB', '1.5MiB', '-1B', '1 MiB', '1MB', '1mib', '1MiB1KiB', '1MiB\n', '99999999999GiB', '1constructor'])(
    '%j is refused with the form',
    (text) => {
      expect(() => parseSize(text)).toThrow(
        expect.objectContaining({ code: 'config_invalid', message: expect.stringMatching(/^not a size: ".*": write a whole/) }),
      );
    },
  );

  test.each([
    [0, '0B'],
    [1_000, '1000B'],
    [1_536, '1536B'],
    [65_536, '64KiB'],
    [1_048_576, '1MiB'],
  ])('of %d bytes is written %s', (bytes, text) => {
    expect(formatSize(bytes)).toBe(text);
  });

  test('reads back as it was written', () => {
    fc.assert(fc.property(fc.nat({ max: Number.MAX_SAFE_INTEGER }), (bytes) => parseSize(formatSize(bytes)) === bytes));
  });
});
