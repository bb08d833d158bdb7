/** Reading protobuf: what is refused, what is stepped over, and what counts when something comes twice. */
import { describe, expect, test } from 'vitest';
import { decode, encode } from '../../../src/wire/wire.ts';
import { MalformedMessage, occurrences } from '../../../src/wire/wire-format.ts';

const REQUEST = 'envoy.service.discovery.v3.DiscoveryRequest';
const DELTA_REQUEST = 'envoy.service.discovery.v3.DeltaDiscoveryRequest';
const NOTHING = decode(REQUEST, Buffer.alloc(0));

/** `field << 3 | wire type`, for a field number below 16. */
const tag = (field: number, wireType: number): number => (field << 3) | wireType;
const bytes = (...parts: readonly (number | string)[]): Buffer =>
  Buffer.concat(parts.map((part) => Buffer.from(typeof part === 'number' ? [part] : part)));

/** Unknown fields, whole. */
const SKIPPED = {
  'a varint': [tag(15, 0), 0xff, 1],
  'eight bytes': [tag(15, 1), 1, 2, 3, 4, 5, 6, 7, 8],
  'bytes with a length': [tag(15, 2), 3, 'abc'],
  'a group': [tag(15, 3), tag(1, 0), 5, tag(2, 3), tag(2, 4), tag(15, 4)],
  'four bytes': [tag(15, 5), 1, 2, 3, 4],
  'a varint of ten bytes': [tag(15, 0), ...Array(9).fill(0xff), 1],
  'the largest field number': [0xf8, 0xff, 0xff, 0xff, 0x0f, 1],
  'text that is no UTF-8': [tag(15, 2), 1, 0xff],
};

describe.each(Object.entries(SKIPPED))('an unknown field, %s,', (_what, field) => {
  test('is stepped over', () => {
    expect(decode(REQUEST, bytes(...field, tag(3, 2), 1, 'a'))).toEqual({ ...NOTHING, resource_names: ['a'] });
  });

  test('is refused when it is cut short anywhere', () => {
    const whole = bytes(...field);
    for (let length = 1; length < whole.length; length++)
      expect(() => decode(REQUEST, whole.subarray(0, length))).toThrow(MalformedMessage);
  });

  test('is refused when it is cut short in a message within, whatever follows that', () => {
    const whole = bytes(...field);
    for (let length = 1; length < whole.length; length++) {
      const request = bytes(tag(2, 2), length, ...whole.subarray(0, length), ...Array(12).fill(tag(4, 2)), 0);
      expect(() => decode(REQUEST, request)).toThrow(MalformedMessage);
    }
  });
});

const MALFORMED = {
  'text shorter than its length': [bytes(tag(1, 2), 5, 'ab'), 'a length beyond the end: 2 bytes are left, at byte 2'],
  'a length of 4 GiB': [bytes(tag(3, 2), 0xff, 0xff, 0xff, 0xff, 0x0f), 'a length beyond the end'],
  'a length of 2^63': [bytes(tag(3, 2), ...Array(9).fill(0x80), 1), 'a length beyond the end'],
  'a length beyond the message that it stands in': [bytes(tag(2, 2), 3, tag(1, 2), 5, 'abcdef'), 'a length beyond the end'],
  'a length without its end': [bytes(tag(1, 2), 0x80), 'a number that is cut short'],
  'a tag without its end': [bytes(0x80), 'a number that is cut short'],
  'a number of more than ten bytes': [bytes(tag(15, 0), ...Array(10).fill(0x80), 1), 'a number of more than 64 bits'],
  'a number of more than 64 bits': [bytes(tag(15, 0), ...Array(9).fill(0x80), 2), 'a number of more than 64 bits'],
  'field number 0': [bytes(tag(0, 2), 0), 'field number 0'],
  'a field number of 30 bits': [bytes(0x80, 0x80, 0x80, 0x80, 0x10, 0), 'a field number that is too large'],
  'wire type 6': [bytes(tag(1, 6)), 'wire type 6'],
  'wire type 7 in an unknown field': [bytes(tag(15, 7)), 'wire type 7'],
  'the end of a group that did not begin': [bytes(tag(15, 4)), 'the end of a group that did not begin'],
  'the end of another group': [bytes(tag(15, 3), tag(14, 4)), 'the end of a group that did not begin'],
  'a group without end': [bytes(tag(15, 3)), 'a number that is cut short'],
  'groups nested too deep': [
    bytes(...Array(200).fill(tag(15, 3)), ...Array(200).fill(tag(15, 4))),
    'groups nested more than 100 deep',
  ],
  'text that is not UTF-8': [bytes(tag(3, 2), 2, 0xc3, 0x28), 'text that is not UTF-8'],
  'half a surrogate pair': [bytes(tag(3, 2), 3, 0xed, 0xa0, 0x80), 'text that is not UTF-8'],
} as const;

describe('refused is', () => {
  test.each(Object.entries(MALFORMED))('%s', (_what, [request, why]) => {
    expect(() => decode(REQUEST, request)).toThrow(`it is no ${REQUEST} that parses: ${why}`);
  });

  test('the key of a map that is not UTF-8', () => {
    expect(() => decode(DELTA_REQUEST, bytes(tag(5, 2), 3, tag(1, 2), 1, 0xff))).toThrow('text that is not UTF-8');
  });

  test('a Struct that is nested too deep', () => {
    const lists = (depth: number): Buffer =>
      depth === 0 ? Buffer.alloc(0) : lengthDelimited(6, lengthDelimited(1, lists(depth - 1)));
    expect(() => decode('google.protobuf.Value', lists(60))).toThrow('nested more than 100 deep');
    expect(() => decode('google.protobuf.Value', lists(45))).not.toThrow();
  });
});

function lengthDelimited(field: number, inner: Buffer): Buffer {
  const length = inner.length < 0x80 ? [inner.length] : [(inner.length & 0x7f) | 0x80, inner.length >> 7];
  return bytes(tag(field, 2), ...length, ...inner);
}

describe('a known field of the wrong wire type', () => {
  test.each([
    ['text as a number', bytes(tag(3, 0), 5)],
    ['text as eight bytes', bytes(tag(3, 1), 1, 2, 3, 4, 5, 6, 7, 8)],
    ['a message as a group', bytes(tag(2, 3), tag(1, 2), 1, 'n', tag(2, 4))],
  ])('is stepped over: %s', (_what, request) => {
    expect(decode(REQUEST, bytes(...request, tag(5, 2), 1, '7'))).toEqual({ ...NOTHING, response_nonce: '7' });
  });

  test('is stepped over: a number as text', () => {
    expect(decode('google.rpc.Status', bytes(tag(1, 2), 1, 'a', tag(2, 2), 1, 'b'))).toEqual({ code: 0, message: 'b' });
  });
});

describe('what comes twice', () => {
  test('counts by its last value', () => {
    expect(decode(REQUEST, bytes(tag(5, 2), 1, '1', tag(5, 2), 1, '2')).response_nonce).toBe('2');
  });

  test('is merged when it is a message', () => {
    const request = bytes(tag(2, 2), 3, tag(1, 2), 1, 'n', tag(2, 2), 3, tag(2, 2), 1, 'c');
    expect(decode(REQUEST, request).node).toMatchObject({ id: 'n', cluster: 'c' });
  });

  test('is the last member of a oneof', () => {
    expect(decode('google.protobuf.Value', bytes(tag(3, 2), 1, 'a', tag(4, 0), 1))).toEqual({ bool_value: true });
  });
});

test('a number of 64 bits that is true is true', () => {
  expect(decode('google.protobuf.Value', bytes(tag(4, 0), ...Array(5).fill(0x80), 1))).toEqual({ bool_value: true });
});

test('the sign that stands for bytes that are no UTF-8 may stand in a name', () => {
  expect(decode(REQUEST, encode(REQUEST, { resource_names: ['a\ufffdb'] })).resource_names).toEqual(['a\ufffdb']);
});

test('the occurrences of a field are counted without the others, and without what is in them', () => {
  const message = bytes(tag(3, 2), 1, 'a', tag(1, 2), 3, tag(3, 2), 1, 'a', tag(3, 2), 1, 'b', ...SKIPPED['a group']);
  expect(occurrences(message, 3)).toBe(2);
  expect(() => occurrences(message.subarray(0, -1), 3)).toThrow(MalformedMessage);
});
