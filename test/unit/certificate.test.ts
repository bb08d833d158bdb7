import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { CertificateReader } from '../../src/spiffe/certificate.ts';
import { concatenated, cRLSign, HOUR, issueAuthority, issueLeaf, NOW, sans } from '../support/certificates.ts';

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

  // Envoy reads neither, and refuses whatever came along with it.
  const version4 = Buffer.from(authority.der);
  version4.writeUInt8(3, authority.der.indexOf(Buffer.from([0xa0, 3, 2, 1, 2])) + 4);
  const looseKey = Buffer.from(authority.der);
  looseKey.writeUInt8(1, authority.der.indexOf(Buffer.from([3, 66, 0, 4])) + 2);

  test.for([
    ['of X.509 version 4', version4, 'certificate 1 of 1 does not parse: it is not X.509 version 3'],
    ['with a key that does not end where it says', looseKey, 'certificate 1 of 1 does not parse: '],
    ['with a length within that is not the shortest', withLooseSerial(authority.der), 'is not the shortest, as DER wants it'],
    ['that are no DER', Buffer.from('garbage'), 'not concatenated DER certificates: byte 0 does not begin an ASN.1 SEQUENCE'],
    ['that are PEM', Buffer.from(leaf.certificate.toString('pem')), 'not concatenated DER certificates'],
    ['with garbage after the last certificate', Buffer.concat([leaf.der, Buffer.from('x')]), 'does not begin an ASN.1 SEQUENCE'],
    ['that end too soon', leaf.der.subarray(0, -1), 'not concatenated DER certificates: the element at byte 0 says it ends'],
    ['that are DER, but no certificate', leaf.privateKey, 'certificate 1 of 1 does not parse'],
    ['where the second is no certificate', Buffer.concat([leaf.der, leaf.privateKey]), 'certificate 2 of 2 does not parse'],
    ['whose validity never begins', impossibleTime, 'certificate 1 of 1 does not parse: its validity is not a time'],
    [
      'with two lists of names, where each reader may believe another',
      twoNameLists.der,
      'certificate 1 of 1 does not parse: it has the same extension twice',
    ],
  ] as const)('%s', async ([_what, bytes, problem]) => {
    const reader = new CertificateReader();
    expect(() => reader.readAll(bytes)).toThrow(
      expect.objectContaining({ code: 'certificate_invalid', message: expect.stringContaining(problem) }),
    );
  });
});

/** The same certificate with the length of its serial number in a byte more. */
function withLooseSerial(der: Buffer): Buffer {
  const at = der.indexOf(Buffer.from([0xa0, 3, 2, 1, 2])) + 6;
  const loose = Buffer.concat([der.subarray(0, at), Buffer.from([0x81]), der.subarray(at)]);
  for (const length of [2, 6]) loose.writeUInt16BE(der.readUInt16BE(length) + 1, length);
  return loose;
}
