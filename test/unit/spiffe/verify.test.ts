import { createPrivateKey } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { parseSpiffeId } from '../../../src/spiffe/spiffe-id.ts';
import { verifySvid } from '../../../src/spiffe/verify.ts';
import type { X509Svid } from '../../../src/spiffe/x509-context.ts';
import {
  concatenated,
  cRLSign,
  digitalSignature,
  type Issued,
  issueAuthority,
  issueLeaf,
  keyCertSign,
  NOW,
  type Wish,
} from '../../support/x509/certificates.ts';

type Chain = readonly [Issued, ...Issued[]];

const WEB = 'spiffe://example.org/web';
const reader = new CertificateReader();
const root = await issueAuthority({ name: 'root' });
const outer = await issueAuthority({ name: 'outer', issuer: root });
const inner = await issueAuthority({ name: 'inner', issuer: outer });
const good = await issueLeaf(root, WEB);
const deep = await issueLeaf(inner, WEB);

function svidOf(
  chain: Chain,
  { id = WEB, privateKey = chain[0].privateKey, bundle = [root] }: { id?: string; privateKey?: Buffer; bundle?: Chain } = {},
): X509Svid {
  const certificates = reader.readAll(concatenated(chain)).certificates as unknown as X509Svid['chain'];
  const authorities = reader.readAll(concatenated(bundle)).certificates as unknown as X509Svid['authorities'];
  return { id: parseSpiffeId(id), hint: '', chain: certificates, authorities, privateKey };
}

function verify(chain: Chain, bundle: Chain = [root]): void {
  verifySvid(svidOf(chain, { bundle }));
}

const leafWith = (wish: Wish) => issueLeaf(root, WEB, wish);

describe('an X509-SVID is good', () => {
  test('signed by an authority of the bundle', () => {
    expect(() => verify([good])).not.toThrow();
  });

  test('by whichever authority of the bundle', async () => {
    const older = await issueAuthority({ name: 'root' });
    expect(() => verify([good], [older, root])).not.toThrow();
  });

  test('through intermediates', () => {
    expect(() => verify([deep, inner, outer])).not.toThrow();
  });

  test('with its intermediates in the wrong order, which Envoy takes too', () => {
    expect(() => verify([deep, outer, inner])).not.toThrow();
  });

  test('with the root in its chain', () => {
    expect(() => verify([good, root])).not.toThrow();
  });

  test('through an intermediate when the bundle has an expired authority beside the good one', async () => {
    const expired = await issueAuthority({ name: 'root', keys: root.keys, notAfter: NOW - 1_000 });
    expect(() => verify([deep, inner, outer], [expired, root])).not.toThrow();
  });

  test.for<[string, () => Promise<readonly [Chain, Chain]>]>([
    ['an authority', async () => [[good], [await issueAuthority({ name: 'root', keys: root.keys, keyUsage: 0 })]]],
    [
      'an intermediate',
      async () => [[deep, await issueAuthority({ name: 'inner', keys: inner.keys, issuer: outer, keyUsage: 0 }), outer], [root]],
    ],
  ])('through %s without a key usage: what is absent forbids nothing', async ([_what, make]) => {
    const [chain, authorities] = await make();
    expect(() => verify(chain, authorities)).not.toThrow();
  });

  test('with exactly as many CAs below one as its path length allows', async () => {
    const tight = await issueAuthority({ name: 'outer', keys: outer.keys, issuer: root, pathLength: 1 });
    expect(() => verify([deep, inner, tight])).not.toThrow();
  });

  test.for(['P-384', 'P-521', 'RSA 2048', 'Ed25519'] as const)('with a key of the type %s', async (key) => {
    const leaf = await leafWith({ key });
    expect(() => verify([leaf])).not.toThrow();
  });
});

describe('an X509-SVID is refused', () => {
  test.for<[string, string, () => Promise<unknown>]>([
    [
      'without a URI SAN',
      'the leaf has 0 URI SANs, it must have exactly one',
      async () => verify([await leafWith({ uris: [] })]),
    ],
    [
      'with two URI SANs',
      'the leaf has 2 URI SANs, it must have exactly one',
      async () => verify([await leafWith({ uris: [WEB, 'spiffe://example.org/admin'] })]),
    ],
    [
      'that names another SPIFFE ID than it came with',
      "the leaf's URI SAN is spiffe://example.org/admin, not the SPIFFE ID it came with",
      async () => verify([await leafWith({ uris: ['spiffe://example.org/admin'] })]),
    ],
    [
      'that names its SPIFFE ID in another case',
      "the leaf's URI SAN is SPIFFE://example.org/web, not",
      async () => verify([await leafWith({ uris: ['SPIFFE://example.org/web'] })]),
    ],
    [
      'for a trust domain itself',
      'a leaf must have a SPIFFE ID with a path',
      async () => {
        const id = 'spiffe://example.org';
        verifySvid(svidOf([await issueLeaf(root, id)], { id }));
      },
    ],
    ['that is a CA', 'the leaf is a CA certificate', async () => verify([await leafWith({ isCa: true })])],
    [
      'without any key usage',
      'the leaf lacks the key usage digitalSignature',
      async () => verify([await leafWith({ keyUsage: 0 })]),
    ],
    [
      'without digitalSignature',
      'the leaf lacks the key usage digitalSignature',
      async () => verify([await leafWith({ keyUsage: cRLSign })]),
    ],
    [
      'with keyCertSign',
      'the leaf has the key usage keyCertSign or cRLSign',
      async () => verify([await leafWith({ keyUsage: digitalSignature | keyCertSign })]),
    ],
    [
      'with cRLSign',
      'the leaf has the key usage keyCertSign or cRLSign',
      async () => verify([await leafWith({ keyUsage: digitalSignature | cRLSign })]),
    ],
  ])('%s', async ([_what, problem, run]) => {
    await expect(run()).rejects.toMatchObject({ code: 'svid_invalid', message: expect.stringContaining(problem) });
  });
});

describe('its private key is refused', () => {
  const pem = createPrivateKey({ key: good.privateKey, format: 'der', type: 'pkcs8' });

  test.for([
    ['of somebody else', deep.privateKey, 'its private key does not belong to the leaf'],
    ['that is garbage', Buffer.from('garbage'), 'its private key is not unencrypted PKCS#8 DER'],
    ['cut short', good.privateKey.subarray(0, -1), 'its private key is not unencrypted PKCS#8 DER'],
    ['in PEM', Buffer.from(pem.export({ type: 'pkcs8', format: 'pem' })), 'its private key is not unencrypted PKCS#8 DER'],
    ['in SEC1', pem.export({ type: 'sec1', format: 'der' }), 'its private key is not unencrypted PKCS#8 DER'],
    [
      'that is encrypted',
      pem.export({ type: 'pkcs8', format: 'der', cipher: 'aes-256-cbc', passphrase: 'secret' }),
      'its private key is not unencrypted PKCS#8 DER',
    ],
  ] as const)('%s', ([_what, privateKey, problem]) => {
    expect(() => verifySvid(svidOf([good], { privateKey }))).toThrow(problem);
  });

  test('without a word of it in the error', () => {
    const canary = Buffer.from('canary-in-the-key');
    try {
      verifySvid(svidOf([good], { privateKey: canary }));
    } catch (error) {
      expect(inspect(error)).not.toMatch(/canary|99, 97, 110|63 61 6e/);
    }
    expect.assertions(1);
  });
});

describe('a chain does not verify', () => {
  test.for<[string, () => Promise<readonly [Chain, Chain]>]>([
    ['against an authority of the same name with another key', async () => [[good], [await issueAuthority({ name: 'root' })]]],
    [
      'against an authority of the same name with another type of key',
      async () => [[good], [await issueAuthority({ name: 'root', key: 'Ed25519' })]],
    ],
    [
      'against an authority of another name with the same key',
      async () => [[good], [await issueAuthority({ name: 'other', keys: root.keys })]],
    ],
    ['against an authority that did not sign it', async () => [[good], [outer]]],
    ['without its intermediate', async () => [[deep, outer], [root]]],
    [
      'through an intermediate that may not sign',
      async () => [[deep, await innerWith({ keyUsage: digitalSignature }), outer], [root]],
    ],
    ['through an intermediate that is no CA', async () => [[deep, await innerWith({ isCa: false }), outer], [root]]],
    [
      'through more CAs than an intermediate allows below it',
      async () => [[deep, inner, await issueAuthority({ name: 'outer', keys: outer.keys, issuer: root, pathLength: 0 })], [root]],
    ],
    [
      'through more CAs than the authority allows below it',
      async () => [[deep, inner, outer], [await issueAuthority({ name: 'root', keys: root.keys, pathLength: 1 })]],
    ],
  ])('%s', async ([_what, make]) => {
    const [chain, authorities] = await make();
    expect(() => verify(chain, authorities)).toThrow(/does not verify against the 1 authorities of spiffe:\/\/example\.org$/);
  });

  const innerWith = (wish: Wish) => issueAuthority({ name: 'inner', keys: inner.keys, issuer: outer, ...wish });

  test('and that is found out soon, even when every intermediate has signed every other', async () => {
    const clique = await Promise.all(Array.from({ length: 20 }, () => issueAuthority({ name: 'outer', keys: outer.keys })));
    const leaf = await issueLeaf(outer, WEB);
    expect(() => verify([leaf, ...clique])).toThrow('its chain of 21 does not verify');
  });
});
