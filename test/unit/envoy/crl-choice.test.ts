import { describe, expect, test } from 'vitest';
import { type VettedCrls, vetCrls } from '../../../src/envoy/crl-choice.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import {
  DELTA_CRL_INDICATOR,
  HOUR,
  type Issued,
  issueAuthority,
  issueCrl,
  keyCertSign,
  NOW,
} from '../../support/x509/certificates.ts';
import { tlv } from '../../support/x509/der-writer.ts';
import {
  type Algorithm,
  ECDSA_SHA256,
  entries,
  entry,
  entryOf,
  extension,
  generalizedTime,
  OID,
  type RawCrl,
  rawCrl,
  rsaPss,
  serialOf,
  TAG,
  time,
} from '../../support/x509/raw-crl.ts';

const reader = new CertificateReader();
const authority = await issueAuthority();
const other = await issueAuthority({ name: 'other' });
const stranger = await issueAuthority({ name: 'stranger' });
const crl = await issueCrl(authority);
const crlOfOther = await issueCrl(other);
const delta = await issueCrl(authority, { extensions: [DELTA_CRL_INDICATOR] });

const rsa = await issueAuthority({ key: 'RSA 2048' });

const ownName = new Uint8Array(authority.certificate.subjectName.toArrayBuffer());
const ownSerial = serialOf(authority.der).subarray(2);
const invalidity = extension(OID.invalidityDate, generalizedTime(NOW - HOUR));
const reason = (code: readonly number[]) => extension(OID.reasonCode, tlv(TAG.enumerated, code));
const identifier = (...parts: readonly Uint8Array[]) => extension(OID.authorityKeyId, tlv(0x30, ...parts));
const issuerName = (name: Uint8Array) => tlv(0xa1, tlv(0xa4, name));
const commonName = (tag: number, text: string | Buffer) =>
  tlv(0x30, tlv(0x31, tlv(0x30, tlv(TAG.oid, [0x55, 4, 3]), tlv(tag, Buffer.from(text)))));
const pss = (algorithm: Algorithm) => rawCrl(rsa, { algorithm });
/** Where the algorithm that is not signed ends. */
const algorithmEnd = (list: Buffer) => list.lastIndexOf(ECDSA_SHA256.identifier) + ECDSA_SHA256.identifier.length;

function keyIdOf({ certificate }: Issued): Uint8Array {
  return new Uint8Array(certificate.getExtension('2.5.29.14')?.value ?? new ArrayBuffer(0)).subarray(2);
}

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

describe('a CRL is sent, although it is written in an unusual way:', () => {
  const ecdsa = (wish: RawCrl) => () => vet([authority], [rawCrl(authority, wish)]);
  const unknown = extension(OID.unknown, []);
  const number = extension(OID.crlNumber, tlv(TAG.integer, [7]));
  const isSent = (vetted: VettedCrls) => [vetted.crls.length, vetted.problem];

  test.for([
    ['it has 20 000 entries', ecdsa({ entries: entries(20_000) })],
    ['it is of version 1', ecdsa({ version: null, entries: [entryOf(other)] })],
    ['it does not say when the next comes', ecdsa({ nextUpdate: null })],
    [
      'its times are GeneralizedTime',
      ecdsa({ thisUpdate: generalizedTime(NOW - HOUR), nextUpdate: generalizedTime(NOW + HOUR) }),
    ],
    ['it has extensions that nobody needs', ecdsa({ extensions: [unknown, number] })],
    ['an entry has a reason and a date', ecdsa({ entries: [entryOf(other, undefined, [reason([1]), invalidity])] })],
    ['its list of entries is empty', ecdsa({ entries: [] })],
    [
      'its authority key identifier is critical',
      ecdsa({ extensions: [extension(OID.authorityKeyId, tlv(0x30, tlv(0x82, ownSerial)), true)] }),
    ],
    ['its authority key identifier says nothing', ecdsa({ extensions: [extension(OID.authorityKeyId, tlv(0x30))] })],
    [
      'its authority key identifier is an issuer and a serial number',
      ecdsa({ extensions: [identifier(issuerName(ownName), tlv(0x82, ownSerial))] }),
    ],
    ['its issuer is a PrintableString', ecdsa({ issuer: commonName(0x13, 'authority') })],
    ['its issuer is a BMPString in capitals', ecdsa({ issuer: commonName(0x1e, Buffer.from('AUTHORITY', 'utf16le').swap16()) })],
    ['its issuer has white space around it', ecdsa({ issuer: commonName(0x0c, '  authority\t ') })],
  ] as const)('%s', ([_how, vetted]) => {
    expect(isSent(vetted())).toEqual([1, undefined]);
  });

  test.for(['sha256', 'sha384', 'sha512'] as const)('it is signed with RSASSA-PSS and %s', async (hash) => {
    const signer = await issueAuthority({ key: 'RSA 2048' });
    expect(isSent(vet([signer], [rawCrl(signer, { algorithm: rsaPss(hash) })]))).toEqual([1, undefined]);
  });

  test('its authority has a namesake, but each list says whose it is', async () => {
    const cas = [await issueAuthority({ withKeyId: true }), await issueAuthority({ withKeyId: true })];
    const lists = cas.map((ca) => rawCrl(ca, { extensions: [identifier(tlv(0x80, keyIdOf(ca)))] }));
    expect(isSent(vet(cas, lists))).toEqual([2, undefined]);
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

describe('no CRL is sent', () => {
  test('when its signature is of another algorithm than it says', () => {
    expect(vet([authority], [rawCrl(authority, { algorithm: { ...ECDSA_SHA256, hash: 'sha384' } })])).toEqual({ crls: [] });
  });

  test('when its algorithm is of another kind than the key', async () => {
    const signer = await issueAuthority({ key: 'RSA 2048' });
    const list = rawCrl(signer, { algorithm: { ...ECDSA_SHA256, hash: 'sha256' } });
    expect(vet([signer], [list])).toEqual({ crls: [] });
  });
});

describe('no CRL is sent, and it is said why', () => {
  test.for([
    ['key', [tlv(0x80, [1, 2, 3])]],
    ['serial number', [tlv(0x82, [1, 2, 3])]],
    ['issuer', [issuerName(commonName(0x0c, 'another'))]],
  ] as const)('when its authority key identifier is of another %s', async ([_what, parts]) => {
    const signer = await issueAuthority({ withKeyId: true });
    expect(vet([signer], [rawCrl(signer, { extensions: [identifier(...parts)] })])).toEqual({
      crls: [],
      problem: expect.stringContaining('has none whose authority key identifier is its own'),
    });
  });

  test('when two authorities have one name and the lists do not say whose they are: Envoy would take the newer for both', async () => {
    const cas = [await issueAuthority({ withKeyId: true }), await issueAuthority({ withKeyId: true })];
    expect(
      vet(
        cas,
        cas.map((ca) => rawCrl(ca)),
      ),
    ).toEqual({ crls: [], problem: expect.stringContaining('from that of another CA of the same name') });
  });

  const problemOf = (vetted: VettedCrls) => ({ crls: vetted.crls, problem: vetted.problem });
  const serial = other.certificate.serialNumber.toUpperCase().replace(/^0+/, '');

  test('when one authority has none: Envoy would refuse its peers', () => {
    expect(problemOf(vet([authority, other], [crl]))).toEqual({
      crls: [],
      problem: expect.stringMatching(new RegExp(`^its CA 0?${serial} has none, and`, 'i')),
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

describe('a CRL is refused', () => {
  const bytes = (wish: RawCrl) => rawCrl(authority, wish);
  const point = (critical: boolean, ...parts: readonly Uint8Array[]) =>
    extension(OID.distributionPoint, tlv(0x30, ...parts), critical);
  const utc = (text: string) => time(TAG.utcTime, text);
  const generalized = (text: string) => time(TAG.generalizedTime, text);
  const dated = (date: Uint8Array) => bytes({ entries: [entryOf(other, date)] });
  const reasoned = (...extensions: readonly Uint8Array[]) => bytes({ entries: [entryOf(other, undefined, extensions)] });
  const unknown = (critical?: boolean) => extension(OID.unknown, [], critical);
  const PART = 'covers a part only';
  const TIME = 'not one of the forms of RFC 5280';

  test.for([
    ['that has a distribution point', bytes({ extensions: [point(true, tlv(0x81, [0xff]))] }), PART],
    ['that has a distribution point that is not critical', bytes({ extensions: [point(false, tlv(0x81, [0xff]))] }), PART],
    ['that has an empty distribution point', bytes({ extensions: [point(false)] }), PART],
    ['that has a critical extension', bytes({ extensions: [unknown(true)] }), PART],
    ['of which an entry has a critical extension', reasoned(unknown(true)), 'critical extension'],
    [
      'of which an entry has a critical reason',
      reasoned(extension(OID.reasonCode, tlv(TAG.enumerated, [1]), true)),
      'critical extension',
    ],
    [
      'of which an entry has a reason that is none',
      reasoned(extension(OID.reasonCode, tlv(TAG.integer, [1]))),
      'an entry of it is malformed',
    ],
    ['that has one extension twice', bytes({ extensions: [unknown(), unknown()] }), 'the same extension twice'],
    ['of which an entry has one extension twice', reasoned(unknown(), unknown()), 'the same extension twice'],
    ['that has an empty list of extensions', bytes({ extensions: [] }), 'list of extensions is empty'],
    ['of which an entry has an empty list of extensions', reasoned(), 'list of extensions is empty'],
    [
      'that has an extension without an object identifier',
      bytes({ extensions: [extension([], [])] }),
      'extensions are malformed',
    ],
    [
      'that has an object identifier that does not end',
      bytes({ extensions: [extension([0x2a, 0x83], [])] }),
      'extensions are malformed',
    ],
    ['that has extensions and version 1', bytes({ version: null, extensions: [unknown()] }), 'but not their version'],
    [
      'of which an entry has extensions, and version 1',
      bytes({ version: null, entries: [entryOf(other, undefined, [unknown()])] }),
      'but not their version',
    ],
    ['of version 3', bytes({ version: tlv(TAG.integer, [2]) }), 'another version than 2'],
    ['that says that it is of version 1', bytes({ version: tlv(TAG.integer, [0]) }), 'another version than 2'],
    [
      'whose authority key identifier names a URI',
      bytes({ extensions: [identifier(tlv(0xa1, tlv(0x86, [0x78])))] }),
      'authority key identifier',
    ],
    [
      'whose authority key identifier is followed by another',
      bytes({ extensions: [extension(OID.authorityKeyId, Buffer.concat([tlv(0x30), tlv(0x30)]))] }),
      'begins another element',
    ],
    ['whose thisUpdate has a fraction', bytes({ thisUpdate: generalized('20300101110000.5Z') }), TIME],
    ['whose thisUpdate has an offset', bytes({ thisUpdate: utc('300101110000+0000') }), TIME],
    ['whose thisUpdate does not say that it is UTC', bytes({ thisUpdate: utc('3001011100001') }), TIME],
    ['whose thisUpdate has no seconds', bytes({ thisUpdate: utc('3001011100Z') }), TIME],
    ['whose nextUpdate has a fraction', bytes({ nextUpdate: generalized('20300101130000.0Z') }), TIME],
    ['whose nextUpdate has an offset', bytes({ nextUpdate: utc('300101130000-0100') }), TIME],
    ['whose nextUpdate is no day', bytes({ nextUpdate: utc('300230130000Z') }), TIME],
    ['whose nextUpdate is in the 25th hour', bytes({ nextUpdate: utc('300101240000Z') }), TIME],
    ['of which an entry has a date with a fraction', dated(generalized('20300101110000.5Z')), TIME],
    ['of which an entry has a date with an offset', dated(utc('300101110000+0000')), TIME],
    ['of which an entry has a date that is text', dated(tlv(0x0c, Buffer.from('yesterday'))), TIME],
    [
      'of which an entry has a padded serial number',
      bytes({ entries: [entry(tlv(TAG.integer, [0, 1]))] }),
      'an entry of it is malformed',
    ],
    [
      'of which an entry has an empty serial number',
      bytes({ entries: [entry(tlv(TAG.integer))] }),
      'an entry of it is malformed',
    ],
    ['of which an entry has no date', bytes({ entries: [tlv(0x30, tlv(TAG.integer, [1]))] }), 'an entry of it is malformed'],
    [
      'of which the last of many entries is malformed',
      bytes({ entries: [...entries(9_000), tlv(0x30)] }),
      'an entry of it is malformed',
    ],
    ['that is signed with RSASSA-PSS and a salt of another length', pss(rsaPss('sha256', 20)), 'RSASSA-PSS of a kind'],
    [
      'that is signed with RSASSA-PSS and another hash for the mask',
      pss({ ...rsaPss('sha256'), identifier: rsaPss('sha256', 32, 'sha512').identifier }),
      'RSASSA-PSS of a kind',
    ],
    [
      'that is signed with an unknown algorithm',
      bytes({ algorithm: { ...ECDSA_SHA256, identifier: tlv(0x30, tlv(TAG.oid, [0x2a, 3])) } }),
      'not known here',
    ],
    [
      'that says two algorithms',
      Buffer.concat([crl]).fill(0x04, algorithmEnd(crl) - 1, algorithmEnd(crl)),
      'two signature algorithms',
    ],
  ] as const)('%s', ([_what, list, problem]) => {
    expect(() => reader.readCrl(list)).toThrow(
      expect.objectContaining({ code: 'certificate_invalid', message: expect.stringContaining(problem) }),
    );
  });
});

test('a CRL that comes again is not read again', () => {
  expect(reader.readCrl(crl)).toBe(reader.readCrl(Buffer.from(crl)));
});
