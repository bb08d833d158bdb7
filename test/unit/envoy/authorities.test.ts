/** Which authorities of a bundle go out to Envoy. */
import { describe, expect, test } from 'vitest';
import { bundleWarning, nextAuthorityChange, sentAuthorities } from '../../../src/envoy/authorities.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import type { Certificate } from '../../../src/spiffe/x509/certificate.ts';
import { HOUR, type Issued, issueAuthority, NOW, type Wish } from '../../support/x509/certificates.ts';

const reader = new CertificateReader();
const root = await issueAuthority({ name: 'root' });
const read = (authorities: readonly Issued[]) =>
  authorities.flatMap(({ der }) => reader.readAll(der).certificates) as readonly Certificate[];
const renewed = (wish: Wish) => issueAuthority({ name: 'root', keys: root.keys, ...wish });

const EXPIRED = { notBefore: NOW - 9 * HOUR, notAfter: NOW - HOUR };
const LATER = { notBefore: NOW + HOUR / 2, notAfter: NOW + 9 * HOUR };

describe('an authority that is not valid now', () => {
  test.for([
    ['has expired', EXPIRED],
    ['is not valid yet', LATER],
  ] as const)('and %s is left out while another of its name and key is valid, in any order', async ([_what, wish]) => {
    const odd = await renewed(wish);
    const sent = [
      [odd, root],
      [root, odd],
    ].map((bundle) => sentAuthorities(read(bundle), NOW).map(({ serial }) => serial));
    const [{ serial } = { serial: '' }] = read([root]);
    expect(sent).toEqual([[serial], [serial]]);
  });

  test.for<[string, () => Promise<Issued>]>([
    ['alone', async () => root],
    ['beside one of its name with another key', () => issueAuthority({ name: 'root' })],
    ['beside one of its key with another name', () => issueAuthority({ name: 'other', keys: root.keys })],
  ])('is sent %s', async ([_what, make]) => {
    const odd = await renewed(EXPIRED);
    const other = await make();
    const bundle = other === root ? [odd] : [odd, other];
    expect(sentAuthorities(read(bundle), NOW)).toHaveLength(bundle.length);
  });

  test('is sent together with its twin when both are over', async () => {
    const odd = await renewed(EXPIRED);
    expect(sentAuthorities(read([odd, root]), NOW + 5 * HOUR)).toHaveLength(2);
  });

  test('is sent from the moment on when it begins, and that moment is known', async () => {
    const bundle = read([root, await renewed(LATER)]);
    const next = nextAuthorityChange(bundle, NOW);
    expect([next, sentAuthorities(bundle, next - 1).length, sentAuthorities(bundle, next).length]).toEqual([
      NOW + HOUR / 2,
      1,
      2,
    ]);
  });

  test('is nothing to wait for without a twin', async () => {
    expect(nextAuthorityChange(read([root, await issueAuthority({ name: 'other', ...LATER })]), NOW)).toBe(
      Number.POSITIVE_INFINITY,
    );
  });
});

describe('a bundle', () => {
  test('without a self-signed root is told with what to do', async () => {
    const intermediate = await issueAuthority({ name: 'intermediate', issuer: root });
    expect(bundleWarning(read([intermediate]))).toMatch(/no self-signed root.*add the root, or set validation.mode/);
  });

  test('with one is not', async () => {
    const intermediate = await issueAuthority({ name: 'intermediate', issuer: root });
    expect(bundleWarning(read([intermediate, root]))).toBeUndefined();
  });
});
