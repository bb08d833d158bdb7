/** SPIFFE Trust Domain and Bundle specification, section 4; RFC 7517. */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { jwksOf, readJwtBundle } from '../../../../src/spiffe/jwt/jwt-bundle.ts';
import { TRUST_DOMAIN } from '../../../support/secrets/tokens.ts';

const jwk = (type: 'ec' | 'rsa' | 'ed25519', options: object, kid: string, more: object = {}) => {
  const { publicKey } = generateKeyPairSync(type as 'ec', options as { namedCurve: string });
  return { ...publicKey.export({ format: 'jwk' }), kid, ...more };
};
const p256 = jwk('ec', { namedCurve: 'P-256' }, 'p256', { use: 'jwt-svid' });
const p384 = jwk('ec', { namedCurve: 'P-384' }, 'p384');
const p521 = jwk('ec', { namedCurve: 'P-521' }, 'p521');
const rsa = jwk('rsa', { modulusLength: 2048 }, 'rsa');
const read = (...keys: readonly unknown[]) => readJwtBundle(TRUST_DOMAIN, Buffer.from(JSON.stringify({ keys })));
const kids = (result: ReturnType<typeof read>) => result.bundle.keys.map(({ kid }) => kid);

test('keys of every algorithm that a JWT-SVID may have are taken', () => {
  expect(kids(read(p256, p384, p521, rsa))).toEqual(['p256', 'p384', 'p521', 'rsa']);
});

test.each([
  ['a key of another type', jwk('ed25519', {}, 'odd'), 'its type is "OKP"'],
  ['a shared secret', { kty: 'oct', k: 'c2VjcmV0', kid: 'odd' }, 'its type is "oct"'],
  ['another curve', jwk('ec', { namedCurve: 'secp256k1' }, 'odd'), 'its curve is "secp256k1"'],
  ['a point that is not on its curve', { ...p256, kid: 'odd', x: p384.x }, 'it is not a key'],
  ['an alg of another curve', { ...p256, kid: 'odd', alg: 'ES384' }, 'its alg is "ES384"'],
  ['an alg of no JWT-SVID', { ...rsa, kid: 'odd', alg: 'RSA-OAEP' }, 'its alg is "RSA-OAEP"'],
  ['a short modulus', jwk('rsa', { modulusLength: 1024 }, 'odd'), 'its modulus has 1024 bits'],
  ['a key for encryption', { ...p256, kid: 'odd', use: 'enc' }, 'its use is "enc"'],
  ['a second key of one kid', { ...p384, kid: 'rsa' }, 'another key with that kid'],
])('%s is left out, and the rest counts', (_, key, reason) => {
  const result = read(rsa, key);
  expect(kids(result)).toEqual(['rsa']);
  expect(result.unusable).toEqual([{ key: key.kid, reason: expect.stringContaining(reason) }]);
});

test('a key without a kid is left out', () => {
  const { kid: _, ...nameless } = p256;
  expect(read(rsa, nameless).unusable).toEqual([{ key: 'key 2', reason: 'it has no kid' }]);
});

test('the X.509 authorities of a bundle are passed over', () => {
  expect(read(p256, { ...p384, use: 'x509-svid' })).toMatchObject({ unusable: [], bundle: { keys: [{ kid: 'p256' }] } });
});

test.each(['', '[]', '{}', '{"keys":{}}', 'not JSON', '{"keys":[]}'])('%j is no bundle', (text) => {
  expect(() => readJwtBundle(TRUST_DOMAIN, Buffer.from(text))).toThrow(expect.objectContaining({ code: 'bundle_invalid' }));
});

test('a bundle of which no key can be used is none', () => {
  expect(() => read({ ...p256, crv: 'P-192' })).toThrow('no key of the JWT bundle can be used: p256: its curve is "P-192"');
});

describe('the JWKS that is handed on', () => {
  test('has nothing private in it, whatever came in', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { d, ...open } = privateKey.export({ format: 'jwk' });
    const text = jwksOf(read({ ...open, d, kid: 'k' }).bundle);
    expect(text).not.toContain(d);
  });

  test('is the same text for the same keys in any order', () => {
    expect(jwksOf(read(p256, rsa).bundle)).toBe(jwksOf(read(rsa, p256).bundle));
  });

  test('calls its keys keys for signatures: standard verifiers know no jwt-svid', () => {
    expect(JSON.parse(jwksOf(read(p256).bundle)).keys[0]).toMatchObject({ kid: 'p256', use: 'sig', alg: 'ES256' });
  });
});

test('the refresh hint of its publisher is kept', () => {
  const document = Buffer.from(JSON.stringify({ keys: [p256], spiffe_refresh_hint: 60 }));
  expect(readJwtBundle(TRUST_DOMAIN, document).bundle.refreshHintMs).toBe(60_000);
});
