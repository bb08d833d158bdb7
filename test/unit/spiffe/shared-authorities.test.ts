import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { SharedAuthorities } from '../../../src/spiffe/shared-authorities.ts';
import { issueAuthority, issueLeaf } from '../../support/x509/certificates.ts';

const authority = await issueAuthority();
const leaf = await issueLeaf(authority, 'spiffe://example.org/web');
const read = (reader: CertificateReader, { der }: { readonly der: Uint8Array }) => reader.readAll(der).certificates[0];

test('readers that share authorities have one certificate of a CA, and each its own of a leaf', () => {
  const shared = new SharedAuthorities();
  const [one, other] = [new CertificateReader(shared), new CertificateReader(shared)];
  expect(read(one, authority)).toBe(read(other, authority));
  expect(read(one, leaf)).not.toBe(read(other, leaf));
});

test('readers that share nothing have their own', () => {
  expect(read(new CertificateReader(), authority)).not.toBe(read(new CertificateReader(), authority));
});

test('a certificate that no reader has any more is let go', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');
  const shared = new SharedAuthorities();
  const gone = (() => new WeakRef(read(new CertificateReader(shared), authority) ?? {}))();
  await new Promise(setImmediate);
  collectGarbage();
  expect(gone.deref()).toBeUndefined();
  expect(read(new CertificateReader(shared), authority)).toBeDefined();
});
