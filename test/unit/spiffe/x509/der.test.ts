import { describe, expect, test } from 'vitest';
import { checkDer, derChildren, splitDer } from '../../../../src/spiffe/x509/der.ts';

const short = Buffer.from([0x30, 2, 5, 0]);
const long = Buffer.concat([Buffer.from([0x30, 0x81, 0x80]), Buffer.alloc(0x80)]);

describe('splitDer', () => {
  test('splits what is concatenated, whatever the form of its lengths', () => {
    expect(splitDer(Buffer.concat([short, long, short]))).toEqual({ parts: [short, long, short] });
  });

  test('copies nothing', () => {
    const bytes = Buffer.concat([short, short]);
    expect(splitDer(bytes).parts[1]?.buffer).toBe(bytes.buffer);
  });

  test('finds nothing in nothing', () => {
    expect(splitDer(Buffer.alloc(0))).toEqual({ parts: [] });
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
    expect(splitDer(Uint8Array.from(bytes)).problem).toContain(problem);
  });
});

describe('checkDer', () => {
  const sequence = (...content: readonly number[]) => Uint8Array.of(0x30, content.length, ...content);

  test.for([
    ['nothing', Uint8Array.of()],
    ['nested elements', sequence(0x31, 3, 2, 1, 5, 5, 0)],
    ['a BIT STRING with unused bits', sequence(3, 2, 4, 0xf0)],
    ['an empty BIT STRING', sequence(3, 1, 0)],
    ['what is not for it to read: an OCTET STRING', sequence(4, 3, 0x30, 0x81, 0)],
  ] as const)('accepts %s', ([_what, bytes]) => {
    expect(() => checkDer(bytes)).not.toThrow();
  });

  test.for([
    ['a length within that is not the shortest', sequence(0x31, 0x81, 2, 5, 0), 'is not the shortest'],
    ['an element within that is longer than what it stands in', sequence(0x31, 9, 5, 0), 'says it ends at'],
    ['the indefinite length of BER within', sequence(0x31, 0x80, 0, 0), 'is not a DER length'],
    ['a tag of several bytes', sequence(0x1f, 0x81, 1, 0), 'the tag at byte 0 is none that is used'],
    ['a BIT STRING whose unused bits are set', sequence(3, 2, 4, 0xff), 'a BIT STRING does not end as it says'],
    ['a BIT STRING with more unused bits than a byte has', sequence(3, 2, 8, 0), 'a BIT STRING does not end as it says'],
    ['an empty BIT STRING with unused bits', sequence(3, 1, 1), 'a BIT STRING does not end as it says'],
    ['a BIT STRING of nothing', sequence(3, 0), 'a BIT STRING does not end as it says'],
  ] as const)('refuses %s', ([_what, bytes, problem]) => {
    expect(() => checkDer(bytes)).toThrow(problem);
  });

  test('refuses what is nested deeper than any stack, instead of ending the process', () => {
    let nested = Buffer.alloc(0);
    for (let depth = 0; depth < 20_000; depth++) nested = Buffer.concat([lengthOf(nested), nested]);
    expect(() => checkDer(nested)).toThrow(RangeError);
  });
});

describe('derChildren', () => {
  test('are what is in a SEQUENCE, each with its content', () => {
    const children = derChildren(Uint8Array.of(0x30, 5, 2, 1, 7, 5, 0));
    expect(children.map(({ bytes, content }) => [[...bytes], [...content]])).toEqual([
      [[2, 1, 7], [7]],
      [[5, 0], []],
    ]);
  });

  test('are none of nothing', () => {
    expect(derChildren(Uint8Array.of())).toEqual([]);
  });

  test('refuses an element that is followed by another', () => {
    expect(() => derChildren(Uint8Array.of(0x30, 0, 0x30, 0))).toThrow('byte 2 begins another element');
  });
});

/** Tag and length of a SEQUENCE around it. */
function lengthOf({ length }: Buffer): Buffer {
  if (length < 0x80) return Buffer.from([0x30, length]);
  const bytes = [length >> 16, (length >> 8) & 0xff, length & 0xff].filter(
    (byte, index, all) => all.slice(0, index + 1).some(Boolean) || byte > 0,
  );
  return Buffer.from([0x30, 0x80 | bytes.length, ...bytes]);
}
