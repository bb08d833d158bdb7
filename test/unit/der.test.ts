import { describe, expect, test } from 'vitest';
import { splitDer } from '../../src/spiffe/der.ts';

const short = Buffer.from([0x30, 2, 5, 0]);
const long = Buffer.concat([Buffer.from([0x30, 0x81, 0x80]), Buffer.alloc(0x80)]);

describe('splitDer', () => {
  test('splits what is concatenated, whatever the form of its lengths', () => {
    expect(splitDer(Buffer.concat([short, long, short]))).toEqual([short, long, short]);
  });

  test('copies nothing', () => {
    const bytes = Buffer.concat([short, short]);
    expect(splitDer(bytes)[1]?.buffer).toBe(bytes.buffer);
  });

  test('finds nothing in nothing', () => {
    expect(splitDer(Buffer.alloc(0))).toEqual([]);
  });

  test.for([
    ['another tag than SEQUENCE', [0x31, 0], 'byte 0 does not begin an ASN.1 SEQUENCE'],
    ['garbage after the last element', [...short, 0xff], 'byte 4 does not begin an ASN.1 SEQUENCE'],
    ['an element cut short', [0x30, 2, 5], 'the element at byte 0 says it ends at 4, but there are 3 bytes'],
    ['a length cut short', [0x30, 0x82, 1], 'says it ends at 260, but there are 3 bytes'],
    ['a tag without a length', [...short, 0x30], 'says it ends at 6, but there are 5 bytes'],
    ['the indefinite length of BER', [0x30, 0x80, 0, 0], 'byte 1 is not a DER length'],
    ['a length of more than four bytes', [0x30, 0x85, 0, 0, 0, 0, 1, 0], 'byte 1 is not a DER length'],
    ['a long form where the short one would do', [0x30, 0x81, 2, 5, 0], 'the length at byte 1 is not the shortest'],
    ['a length that begins with a zero byte', [0x30, 0x82, 0, 0x80], 'the length at byte 1 is not the shortest'],
    ['a length that no machine holds', [0x30, 0x84, 0xff, 0xff, 0xff, 0xff], 'says it ends at 4294967301, but there are 6'],
  ] as const)('refuses %s', ([_what, bytes, problem]) => {
    expect(() => splitDer(Uint8Array.from(bytes))).toThrow(problem);
  });
});
