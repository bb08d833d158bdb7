import { describe, expect, test } from 'vitest';
import { type VettedCrls, vetCrls } from '../../src/envoy/crl-choice.ts';
import { CertificateReader } from '../../src/spiffe/certificate.ts';
import { DELTA_CRL_INDICATOR, HOUR, type Issued, issueAuthority, issueCrl, keyCertSign, NOW } from '../support/certificates.ts';

const reader = new CertificateReader();
const authority = await issueAuthority();
const other = await issueAuthority({ name: 'other' });
const stranger = await issueAuthority({ name: 'stranger' });
const crl = await issueCrl(authority);
const crlOfOther = await issueCrl(other);
const delta = await issueCrl(authority, { extensions: [DELTA_CRL_INDICATOR] });

function vet(authorities: readonly Issued[], crls: readonly Uint8Array[], now = NOW): VettedCrls {
  return vetCrls(
    authorities.flatMap(({ der }) => reader.readAll(der).certificates),
    crls.map((bytes) => reader.readCrl(bytes)),
    now,
  );
}

const dersOf = ({ crls }: VettedCrls) => crls.map(({ der }) => Buffer.from(der));

describe('a CRL is sent', () => {
  test.for([
    ['P-256', {}, {}],
    ['P-384', {}, { hash: 'SHA-384' }],
    ['P-256', {}, { hash: 'SHA-384' }],
    ['P-521', {}, { hash: 'SHA-512' }],
    ['RSA 2048', {}, {}],
    ['RSA 2048', {}, { hash: 'SHA-384' }],
    ['Ed25519', {}, {}],
    ['P-256', { keyUsage: 0 }, {}],
  ] as const)('when an authority with a key of %s and %j signed it with %j', async ([key, wish, crlWish]) => {
    const signer = await issueAuthority({ key, ...wish });
    const list = await issueCrl(signer, crlWish);
    expect(dersOf(vet([signer], [list]))).toEqual([list]);
  });

  test('for each authority of the bundle, in whatever order they come', () => {
    expect(dersOf(vet([authority, other], [crlOfOther, crl]))).toEqual([crl, crlOfOther]);
  });

  test('when it is the newest of its authority', async () => {
    const newer = await issueCrl(authority, { thisUpdate: NOW - 1000, revoked: [stranger] });
    expect(dersOf(vet([authority], [crl, newer, crl]))).toEqual([newer]);
  });

  test('when a newer one is not current yet', async () => {
    const early = await issueCrl(authority, { thisUpdate: NOW + 1000 });
    expect(dersOf(vet([authority], [early, crl]))).toEqual([crl]);
  });

  test('when the authority that has none has expired: nobody is verified with that one', async () => {
    const expired = await issueAuthority({ name: 'expired', notAfter: NOW });
    expect(dersOf(vet([authority, expired], [crl]))).toEqual([crl]);
  });
});

describe('no CRL is sent, without a word', () => {
  test('when there is none', () => {
    expect(vet([authority], [])).toEqual({ crls: [] });
  });

  test('when those there are belong to other trust domains', () => {
    expect(vet([authority], [crlOfOther])).toEqual({ crls: [] });
  });

  test.for([
    ['by an authority that may not sign CRLs', { keyUsage: keyCertSign }],
    ['by an authority of that name with another key', { name: 'authority' }],
  ] as const)('when it is signed %s', async ([_whom, wish]) => {
    const signer = await issueAuthority(wish);
    const bundled = 'name' in wish ? authority : signer;
    expect(vet([bundled], [await issueCrl(signer)])).toEqual({ crls: [] });
  });

  test('when it is signed by the authority but issued under another name: Envoy would not find it and refuse everybody', async () => {
    expect(vet([authority], [await issueCrl(authority, { issuer: other })])).toEqual({ crls: [] });
  });

  test('when one bit of what was signed is another', async () => {
    const list = Buffer.from(await issueCrl(authority, { revoked: [other] }));
    const serial = Buffer.from(other.certificate.serialNumber, 'hex');
    const at = list.indexOf(serial) + serial.length - 1;
    list.writeUInt8(list.readUInt8(at) ^ 1, at);
    expect(vet([authority], [list])).toEqual({ crls: [] });
  });
});

describe('no CRL is sent, and it is said why', () => {
  const problemOf = (vetted: VettedCrls) => ({ crls: vetted.crls, problem: vetted.problem });
  const serial = other.certificate.serialNumber.toUpperCase().replace(/^0+/, '');

  test('when one authority has none: Envoy would refuse its peers', () => {
    expect(problemOf(vet([authority, other], [crl]))).toEqual({
      crls: [],
      problem: expect.stringMatching(new RegExp(`^its CA ${serial} has none, and`, 'i')),
    });
  });

  test.for([
    ['it has expired to the millisecond', { nextUpdate: NOW }],
    ['it expired long ago', { thisUpdate: NOW - 3 * HOUR, nextUpdate: NOW - 2 * HOUR }],
    ['it begins later', { thisUpdate: NOW + 1000 }],
  ] as const)('when %s', async ([_when, wish]) => {
    expect(problemOf(vet([authority], [await issueCrl(authority, wish)]))).toEqual({
      crls: [],
      problem: expect.stringContaining('has none that is current'),
    });
  });

  test('when of two authorities one has an expired one', async () => {
    const expired = await issueCrl(other, { nextUpdate: NOW - 1000 });
    expect(problemOf(vet([authority, other], [crl, expired]))).toEqual({
      crls: [],
      problem: expect.stringContaining('has none that is current'),
    });
  });
});

describe('bytes are refused as a CRL', () => {
  test.for([
    ['that are none', Buffer.from('garbage'), 'does not begin an ASN.1 SEQUENCE'],
    ['that are nothing', Buffer.alloc(0), 'it is empty'],
    ['that are a certificate', authority.der, 'does not parse'],
    ['that end too soon', crl.subarray(0, -1), 'says it ends at'],
    ['that are PEM', reader.readCrl(crl).pem, 'does not begin an ASN.1 SEQUENCE'],
    ['that are hexadecimal', Buffer.from(crl.toString('hex')), 'does not begin an ASN.1 SEQUENCE'],
    ['with garbage behind them', Buffer.concat([crl, Buffer.from('x')]), 'does not begin an ASN.1 SEQUENCE'],
    ['with a second one behind them, which nobody would heed', Buffer.concat([crl, crlOfOther]), 'followed by something else'],
    ['that say only what changed since another (delta CRL)', delta, 'covers a part only'],
  ] as const)('%s', ([_what, bytes, problem]) => {
    expect(() => reader.readCrl(bytes)).toThrow(
      expect.objectContaining({ code: 'certificate_invalid', message: expect.stringContaining(problem) }),
    );
  });
});

test('a CRL that comes again is not read again', () => {
  expect(reader.readCrl(crl)).toBe(reader.readCrl(Buffer.from(crl)));
});
