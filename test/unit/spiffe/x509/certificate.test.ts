import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { CertificateReader } from '../../../../src/spiffe/certificate-reader.ts';
import {
  BASIC_CONSTRAINTS,
  buildCertificate,
  commonName,
  extension,
  KEY_USAGE,
  name,
} from '../../../support/x509/certificate-builder.ts';
import { concatenated, cRLSign, HOUR, issueAuthority, issueLeaf, NOW, sans } from '../../../support/x509/certificates.ts';
import { bitString, context, integer, TAG, tlv } from '../../../support/x509/der-writer.ts';

const WEB = 'spiffe://example.org/web';
const authority = await issueAuthority({ pathLength: 1 });
const leaf = await issueLeaf(authority, WEB, { serial: '0a1b2c' });
const twoNameLists = await issueLeaf(authority, WEB, { extensions: [sans('url', ['spiffe://example.org/admin'])] });

describe('a certificate', () => {
  test('is read in every respect that counts', async () => {
    const [certificate] = new CertificateReader().readAll(leaf.der).certificates;
    expect(certificate).toMatchObject({
      fingerprint: createHash('sha256').update(leaf.der).digest('hex'),
      notBefore: NOW - HOUR,
      notAfter: NOW + HOUR,
      serial: '0A1B2C',
      uriSans: [WEB],
      isCa: false,
      pathLength: undefined,
      keyUsage: { digitalSignature: true, keyCertSign: false, crlSign: false },
    });
  });

  test('of an authority is read with its path length', async () => {
    expect(new CertificateReader().readAll(authority.der).certificates[0]).toMatchObject({
      isCa: true,
      pathLength: 1,
      keyUsage: { digitalSignature: false, keyCertSign: true, crlSign: true },
    });
  });

  test.for([
    ['without a key usage has none, instead of a false one', { keyUsage: 0 }, { keyUsage: undefined }],
    ['without names has no URI SAN', { uris: [] }, { uriSans: [] }],
    ['keeps two URI SANs apart', { uris: [WEB, 'spiffe://a/b'] }, { uriSans: [WEB, 'spiffe://a/b'] }],
    ['with a DNS name has no URI SAN for that', { uris: [], extensions: [sans('dns', [WEB])] }, { uriSans: [] }],
    ['may sign CRLs only', { keyUsage: cRLSign }, { keyUsage: { digitalSignature: false, keyCertSign: false, crlSign: true } }],
  ] as const)('%s', async ([_what, wish, read]) => {
    const { der } = await issueLeaf(authority, WEB, wish);
    expect(new CertificateReader().readAll(der).certificates[0]).toMatchObject(read);
  });
});

describe('a public key', () => {
  const spki = Buffer.from(new CertificateReader().readAll(leaf.der).certificates[0]?.spki ?? []);

  test('is read as OpenSSL writes it', () => {
    const { publicKey } = new X509Certificate(leaf.der);
    expect(spki).toEqual(publicKey.export({ type: 'spki', format: 'der' }));
  });

  test('on no point of its curve makes a certificate unreadable', () => {
    const der = Buffer.from(leaf.der);
    der.fill(0xff, der.indexOf(spki) + spki.length - 64, der.indexOf(spki) + spki.length);
    expect(new CertificateReader().readAll(der).certificates).toEqual([]);
  });
});

describe('a reader', () => {
  test('reads certificates in the order in which they come', async () => {
    const { certificates } = new CertificateReader().readAll(concatenated([leaf, authority]));
    expect(certificates.map(({ der }) => Buffer.from(der))).toEqual([leaf.der, authority.der]);
  });

  test('does not keep the message in memory that a certificate came in', async () => {
    const message = concatenated([leaf, authority]);
    const [certificate] = new CertificateReader().readAll(message).certificates;
    expect(certificate?.der.buffer).not.toBe(message.buffer);
  });

  test('reads a certificate once for as long as each generation brings it again', async () => {
    const reader = new CertificateReader();
    const [first] = reader.readAll(leaf.der).certificates;
    for (const _message of [2, 3]) {
      reader.nextGeneration();
      expect(reader.readAll(leaf.der).certificates[0]).toBe(first);
    }
  });

  test('forgets a certificate that one generation did not bring', async () => {
    const reader = new CertificateReader();
    const [first] = reader.readAll(leaf.der).certificates;
    reader.nextGeneration();
    reader.nextGeneration();
    expect(reader.readAll(leaf.der).certificates[0]).not.toBe(first);
  });
});

describe('bytes are refused', () => {
  const impossibleTime = Buffer.from(authority.der);
  // RFC 5280, section 4.1.2.5.1: YYMMDDHHMMSSZ. The month becomes the thirteenth.
  impossibleTime.write('301301110000Z', impossibleTime.indexOf('300101110000Z'));

  const looseKey = Buffer.from(authority.der);
  looseKey.writeUInt8(1, authority.der.indexOf(Buffer.from([3, 66, 0, 4])) + 2);

  test.for([
    ['with a key that does not end where it says', looseKey, 1, 'it does not parse: '],
    ['with a length within that is not the shortest', withLooseSerial(authority.der), 1, 'is not the shortest, as DER wants it'],
    ['that are no DER', Buffer.from('garbage'), 1, 'it is not DER: byte 0 does not begin an ASN.1 SEQUENCE'],
    ['that are PEM', Buffer.from(leaf.certificate.toString('pem')), 1, 'it is not DER'],
    [
      'with garbage after the last certificate',
      Buffer.concat([leaf.der, Buffer.from('x')]),
      2,
      'does not begin an ASN.1 SEQUENCE',
    ],
    ['that end too soon', leaf.der.subarray(0, -1), 1, 'it is not DER: the element at byte 0 says it ends'],
    ['that are DER, but no certificate', leaf.privateKey, 1, 'it does not parse: OpenSSL does not read it as a certificate'],
    ['where the second is no certificate', Buffer.concat([leaf.der, leaf.privateKey]), 2, 'it does not parse: OpenSSL does not'],
    ['whose validity never begins', impossibleTime, 1, 'it does not parse: its validity is not a time'],
    [
      'with two lists of names, where each reader may believe another',
      twoNameLists.der,
      1,
      'it does not parse: it has the same extension twice',
    ],
  ] as const)('%s', ([_what, bytes, position, reason]) => {
    const { certificates, unreadable } = new CertificateReader().readAll(bytes);
    expect(unreadable).toEqual([expect.objectContaining({ position, reason: expect.stringContaining(reason) })]);
    expect(certificates).toHaveLength(position - 1);
  });

  test.for([
    ['with unused bits that are set', bitString(Uint8Array.of(0xff), 1)],
    ['with more unused bits than there are', bitString(Uint8Array.of(), 1)],
    ['without the number of unused bits', tlv(TAG.bitString)],
  ] as const)('with a key usage %s', ([_what, usage]) => {
    const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const der = buildCertificate({ extensions: [BASIC_CONSTRAINTS, extension('2.5.29.15', usage)] }, keys);
    expect(new CertificateReader().readAll(der).unreadable).toEqual([
      expect.objectContaining({ reason: 'it does not parse: its key usage is not a bit string' }),
    ]);
  });

  test('without their neighbours', () => {
    const { certificates, unreadable } = new CertificateReader().readAll(Buffer.concat([impossibleTime, leaf.der]));
    expect(certificates.map(({ der }) => Buffer.from(der))).toEqual([leaf.der]);
    expect(unreadable).toEqual([expect.objectContaining({ position: 1, subject: 'CN=authority' })]);
  });
});

describe('an authority is', () => {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const one = { version: undefined, extensions: undefined };
  const two = { version: context(0, integer(1)), extensions: undefined };
  const other = { issuer: name(commonName('another')) };

  test.for([
    ['one whose basic constraints say so', {}, { version: 3, isCa: true }],
    ['one without key usage, which forbids nothing', { extensions: [BASIC_CONSTRAINTS] }, { isCa: true, keyUsage: undefined }],
    ['one of version 1 that is self-issued', one, { version: 1, isCa: true, pathLength: undefined, keyUsage: undefined }],
    ['one of version 1 that says so', { ...one, version: context(0, integer(0)) }, { version: 1, isCa: true }],
    ['one of version 2 that is self-issued', two, { version: 2, isCa: true }],
    ['not one of version 1 that another issued', { ...one, ...other }, { version: 1, isCa: false }],
    ['not one of version 3 that has nothing to say so', { extensions: [] }, { version: 3, isCa: false }],
    ['not one of version 3 with key usage alone', { extensions: [KEY_USAGE] }, { version: 3, isCa: false }],
  ] as const)('%s', ([_what, parts, read]) => {
    const { certificates, unreadable } = new CertificateReader().readAll(buildCertificate(parts, keys));
    expect(unreadable).toEqual([]);
    expect(certificates[0]).toMatchObject(read);
  });

  test('named by its subject in each version', () => {
    for (const parts of [{}, one]) {
      const [certificate] = new CertificateReader().readAll(buildCertificate({ ...parts, ...other }, keys)).certificates;
      expect(Buffer.from(certificate?.subject ?? [])).toEqual(name(commonName('authority')));
    }
  });
});

/** The same certificate with the length of its serial number in a byte more. */
function withLooseSerial(der: Buffer): Buffer {
  const at = der.indexOf(Buffer.from([0xa0, 3, 2, 1, 2])) + 6;
  const loose = Buffer.concat([der.subarray(0, at), Buffer.from([0x81]), der.subarray(at)]);
  for (const length of [2, 6]) loose.writeUInt16BE(der.readUInt16BE(length) + 1, length);
  return loose;
}
