import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { pemEncode, pemSteps } from '../../../../src/spiffe/x509/pem.ts';
import { atOnce } from '../../../../src/spiffe/x509/steps.ts';

describe('pemEncode', () => {
  test('writes what OpenSSL writes', () => {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const der = privateKey.export({ type: 'pkcs8', format: 'der' });
    expect(pemEncode('PRIVATE KEY', [der]).toString()).toBe(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  });

  test.for([
    ['one byte, padded twice', 1, 'AA==\n'],
    ['two bytes, padded once', 2, 'AAA=\n'],
    ['three bytes, not padded', 3, 'AAAA\n'],
    ['a line of exactly 64 columns', 48, `${'A'.repeat(64)}\n`],
    ['a line that breaks after 64 columns', 49, `${'A'.repeat(64)}\nAA==\n`],
  ] as const)('writes %s', ([_what, bytes, body]) => {
    expect(pemEncode('CERTIFICATE', [Buffer.alloc(bytes)]).toString()).toBe(
      `-----BEGIN CERTIFICATE-----\n${body}-----END CERTIFICATE-----\n`,
    );
  });

  test('writes block after block without a blank line', () => {
    const one = pemEncode('CERTIFICATE', [Buffer.from('one')]);
    const two = pemEncode('CERTIFICATE', [Buffer.from('two')]);
    expect(pemEncode('CERTIFICATE', [Buffer.from('one'), Buffer.from('two')])).toEqual(Buffer.concat([one, two]));
  });

  test('writes into memory that is its own, so that a key can be wiped', () => {
    expect(pemEncode('PRIVATE KEY', [Buffer.from('key')]).buffer.byteLength).toBe(
      pemEncode('PRIVATE KEY', [Buffer.from('key')]).length,
    );
  });

  test('of nothing is nothing', () => {
    expect(pemEncode('CERTIFICATE', [])).toHaveLength(0);
  });
});

describe('pemSteps', () => {
  test.for([0, 1, 47, 48, 49, 4096 * 48 - 1, 4096 * 48, 4096 * 48 + 1, 3 * 4096 * 48 + 100])(
    'writes %i bytes as pemEncode does',
    (length) => {
      const der = randomBytes(length);
      const expected = pemEncode('CERTIFICATE', [der]).toString().replaceAll('CERTIFICATE', 'X509 CRL');
      expect(atOnce(pemSteps('X509 CRL', der)).toString()).toBe(expected);
    },
  );

  test('pauses between steps', () => {
    expect([...pemSteps('X509 CRL', Buffer.alloc(3 * 4096 * 48))]).toHaveLength(2);
  });
});
