import 'reflect-metadata';
import { X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { expect, test } from 'vitest';
import { createAuthority, type DevSvid, issueCrls, issueX509Svid } from '../../../src/dev/authority.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';

const HOUR = 3_600_000;
const NOW = Date.UTC(2030, 0, 1, 12);
const lifetime = { now: NOW, ttlMs: HOUR };
const trustDomain = parseTrustDomain('example.org');
const web = parseSpiffeId('spiffe://example.org/web');

const authority = await createAuthority(trustDomain, { now: NOW, ttlMs: 24 * HOUR });
const svid = await issueX509Svid(authority, web, lifetime);
const leaf = parse(svid);
const root = new x509.X509Certificate(Buffer.from(authority.certificate));

function parse({ chain }: DevSvid): x509.X509Certificate {
  return new x509.X509Certificate(Buffer.from(chain[0] as Uint8Array));
}

function keyUsage(certificate: x509.X509Certificate): x509.KeyUsageFlags | undefined {
  return certificate.getExtension(x509.KeyUsagesExtension)?.usages;
}

test('an SVID may sign digitally and nothing else', () => {
  expect(keyUsage(leaf)).toBe(x509.KeyUsageFlags.digitalSignature);
});

test('an SVID serves TLS servers and clients', () => {
  expect(leaf.getExtension(x509.ExtendedKeyUsageExtension)?.usages).toEqual([
    x509.ExtendedKeyUsage.serverAuth,
    x509.ExtendedKeyUsage.clientAuth,
  ]);
});

test('an SVID is no authority', () => {
  expect(new X509Certificate(Buffer.from(leaf.rawData)).ca).toBe(false);
});

test('an SVID is valid from ten seconds ago until its time to live is over', () => {
  expect([leaf.notBefore.getTime(), leaf.notAfter.getTime()]).toEqual([NOW - 10_000, NOW + HOUR]);
});

test('DNS names stand beside the SPIFFE ID, and the first is the common name', async () => {
  const named = parse(await issueX509Svid(authority, web, lifetime, ['web.example.org', 'www.example.org']));
  expect(named.subjectName.getField('CN')).toEqual(['web.example.org']);
  expect(named.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON()).toEqual([
    { type: 'url', value: web },
    { type: 'dns', value: 'web.example.org' },
    { type: 'dns', value: 'www.example.org' },
  ]);
  expect(leaf.subjectName.getField('CN')).toEqual([]);
});

test('an SVID ends no later than its authority', async () => {
  const late = await issueX509Svid(authority, web, { now: NOW + 23.5 * HOUR, ttlMs: HOUR });
  expect(parse(late).notAfter.getTime()).toBe(authority.notAfter);
});

test('a serial is positive, at least 64 bits long, and new each time', async () => {
  const other = await issueX509Svid(authority, web, lifetime);
  expect([/^[4-7][0-9A-F]{31}$/.test(svid.serial), other.serial === svid.serial]).toEqual([true, false]);
});

test('an authority signs certificates and CRLs only', () => {
  expect(keyUsage(root)).toBe(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign);
});

test('an authority names its trust domain', () => {
  expect(new X509Certificate(Buffer.from(root.rawData)).subjectAltName).toBe('URI:spiffe://example.org');
});

test('an intermediate can have no authority below it', async () => {
  const [, intermediate] = (await createAuthority(trustDomain, lifetime, true)).signers;
  expect(intermediate?.certificate.getExtension(x509.BasicConstraintsExtension)?.pathLength).toBe(0);
});

test('the successor of an authority has another name', async () => {
  expect((await createAuthority(trustDomain, lifetime)).signers[0].certificate.subject).not.toBe(root.subject);
});

test('each signer of an authority has a CRL, with the serials that it signed', async () => {
  const chained = await createAuthority(trustDomain, lifetime, true);
  const revoked = await issueX509Svid(chained, web, lifetime);
  const crls = (await issueCrls(chained, [svid, revoked], NOW)).map((der) => new x509.X509Crl(Buffer.from(der)));
  expect(crls.map(({ entries }) => entries.map(({ serialNumber }) => serialNumber.toUpperCase()))).toEqual([
    [],
    [revoked.serial],
  ]);
});
