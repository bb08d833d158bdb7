import { describe, expect, test } from 'vitest';
import { splitDer } from '../../src/spiffe/x509/der.ts';
import { pemEncode } from '../../src/spiffe/x509/pem.ts';
import { fc } from '../support/properties.ts';

const content = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.nat(70_000).map((length) => new Uint8Array(length)),
);
const sequence = content.map((bytes) => {
  const length = bytes.length.toString(16);
  const octets = Buffer.from(length.padStart(length.length + (length.length % 2), '0'), 'hex');
  const header = bytes.length < 0x80 ? [0x30, bytes.length] : [0x30, 0x80 | octets.length, ...octets];
  return Buffer.concat([Buffer.from(header), bytes]);
});

describe('concatenated DER', () => {
  test('splits into what was put together', () => {
    fc.assert(
      fc.property(fc.array(sequence, { maxLength: 5 }), (parts) => {
        expect(splitDer(Buffer.concat(parts)).parts.map((part) => Buffer.from(part))).toEqual(parts);
      }),
    );
  });

  test('is split up to what is cut short', () => {
    fc.assert(
      fc.property(fc.array(sequence, { maxLength: 3 }), sequence, fc.nat(), (parts, last, cut) => {
        const kept = last.subarray(0, 1 + (cut % (last.length - 1)));
        expect(splitDer(Buffer.concat([...parts, kept]))).toEqual({ parts, problem: expect.any(String) });
      }),
    );
  });

  test('any bytes are split from their beginning, and to their end or with a problem', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(sequence, fc.uint8Array({ maxLength: 9 })), { maxLength: 3 }), (parts) => {
        const bytes = Buffer.concat(parts);
        const split = splitDer(bytes);
        const whole = Buffer.concat(split.parts);
        expect([whole, split.problem === undefined]).toEqual([bytes.subarray(0, whole.length), whole.length === bytes.length]);
      }),
    );
  });
});

describe('PEM', () => {
  test('of any bytes has lines of at most 64 columns and decodes to them', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 500 }), (der) => {
        const [begin, ...rest] = pemEncode('CERTIFICATE', [der]).toString().split('\n');
        const body = rest.slice(0, -2);
        expect({
          begin,
          full: body.slice(0, -1).every((line) => line.length === 64),
          lastFits: (body.at(-1)?.length ?? 0) <= 64,
          decoded: Buffer.from(body.join(''), 'base64'),
          end: rest.slice(-2),
        }).toEqual({
          begin: '-----BEGIN CERTIFICATE-----',
          full: true,
          lastFits: true,
          decoded: Buffer.from(der),
          end: ['-----END CERTIFICATE-----', ''],
        });
      }),
    );
  });
});
