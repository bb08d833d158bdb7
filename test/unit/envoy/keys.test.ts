/** Which keys Envoy loads, and which it verifies with. */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { authorityKeyWarning, leafKeyProblem, leafKeyWarning } from '../../../src/envoy/keys.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import type { Certificate } from '../../../src/spiffe/x509/certificate.ts';
import { issueAuthority, issueLeaf } from '../../support/x509/certificates.ts';

const reader = new CertificateReader();
const root = await issueAuthority();

type Key = NonNullable<Parameters<typeof issueLeaf>[2]>['key'] & string;

const leafWith = async (key: Key) =>
  reader.readAll((await issueLeaf(root, 'spiffe://example.org/web', { key })).der).certificates[0] as Certificate;

/** A certificate as far as its key is looked at. */
function withKey(type: string, options: object): Certificate {
  const { publicKey } = generateKeyPairSync(type as 'ec', options as { namedCurve: string });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return { serial: '0A', spki, x509: { publicKey } } as unknown as Certificate;
}

describe('the key of a leaf', () => {
  test.for([
    ['P-384', 'its key is P-384: Envoy peers accept it with TLS 1.3 only, or with ecdh_curves set'],
    ['P-521', 'its key is secp521r1, which Envoy loads but does not accept from a peer: use P-256 or RSA'],
    ['Ed25519', 'its key is ed25519, which Envoy loads but does not accept from a peer: use P-256 or RSA'],
    ['P-256', undefined],
    ['RSA 2048', undefined],
  ] as const)('of the type %s is loaded, with the warning %s', async ([key, warning]) => {
    const leaf = await leafWith(key);
    expect([leafKeyProblem(leaf), leafKeyWarning(leaf)]).toEqual([undefined, warning]);
  });

  test.for([
    [2n ** 33n - 1n, undefined],
    [2n ** 33n + 1n, 'the public exponent of its RSA key has more than 33 bits'],
  ] as const)('of RSA with the exponent %s', ([publicExponent, problem]) => {
    const publicKey = { asymmetricKeyType: 'rsa', asymmetricKeyDetails: { modulusLength: 2048, publicExponent } };
    const leaf = { x509: { publicKey } } as unknown as Certificate;
    expect(leafKeyProblem(leaf)).toEqual(problem && expect.stringContaining(problem));
  });

  test('of RSA with less than 2048 bits is refused', async () => {
    expect(leafKeyProblem(await leafWith('RSA 1024'))).toBe('its RSA key has 1024 bits, Envoy takes 2048 or more');
  });

  test.for([
    ['ec', { namedCurve: 'secp224r1' }, 'secp224r1'],
    ['ec', { namedCurve: 'secp256k1' }, 'secp256k1'],
    ['ed448', {}, 'ed448'],
    ['rsa-pss', { modulusLength: 2048 }, 'rsa-pss'],
  ] as const)('of the type %s with %o is refused', ([type, options, name]) => {
    expect(leafKeyProblem(withKey(type, options))).toBe(`its key is ${name}, which Envoy does not load: use P-256 or RSA`);
  });
});

describe('the key of an authority', () => {
  test.for([
    ['ec', { namedCurve: 'secp256k1' }],
    ['ec', { namedCurve: 'brainpoolP256r1' }],
    ['ec', { namedCurve: 'prime256v1', paramEncoding: 'explicit' }],
    ['ed448', {}],
    ['dsa', { modulusLength: 2048 }],
    ['rsa-pss', { modulusLength: 2048 }],
  ] as const)('of the type %s with %o verifies nobody, and that is said', ([type, options]) => {
    expect(authorityKeyWarning(withKey(type, options))).toMatch(/^the key of its CA 0A is .*: Envoy accepts nobody/);
  });

  test.for([
    ['ec', { namedCurve: 'secp224r1' }],
    ['ec', { namedCurve: 'prime256v1' }],
    ['ec', { namedCurve: 'secp521r1' }],
    ['ed25519', {}],
    ['rsa', { modulusLength: 1024 }],
  ] as const)('of the type %s with %o verifies', ([type, options]) => {
    expect(authorityKeyWarning(withKey(type, options))).toBeUndefined();
  });
});
