/** Forms of a certificate that an Envoy, the newest for one, refuses together with all that comes with it. */
import { generateKeyPairSync } from 'node:crypto';
import { derChildren } from '../../../src/spiffe/x509/der.ts';
import {
  attribute,
  buildCertificate,
  type CertificateParts,
  commonName,
  generalizedTime,
  name,
  utcTime,
} from './certificate-builder.ts';
import { bitString, context, implicit, integer, NULL, octetString, oid, sequence, set, TAG, text, tlv } from './der-writer.ts';

export interface RefusedForm {
  readonly name: string;
  readonly der: Buffer;
  /** A part of what the sidecar says of it. */
  readonly problem: string;
}

const LETTER = 0x41;
const ONE_BYTE = Uint8Array.of(0, 1);
const UTF8 = text(TAG.utf8String, 'a');
const TIME = 'a time of its validity is not written as RFC 5280 wants it';
const NO_STRING = 'that is none of its strings, or not in the encoding of that';
const MORE = 'its signed part has more in it than it should';
const LOOSE_BITS = 'a BIT STRING does not end as it says';

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const value = (tag: number, ...bytes: readonly number[]) => name(attribute('2.5.4.10', tlv(tag, Uint8Array.from(bytes))));
const [tbs, algorithm] = derChildren(buildCertificate({}, keys)).map(({ bytes }) => bytes) as [Uint8Array, Uint8Array];

const ODD_PARTS: readonly (readonly [string, CertificateParts, string])[] = [
  ['with a fraction in its GeneralizedTime', { notBefore: generalizedTime('20250101000000.5Z') }, TIME],
  ['with a fraction of nothing', { notAfter: generalizedTime('20490101000000.0Z') }, TIME],
  ['with an offset in its GeneralizedTime', { notAfter: generalizedTime('20490101000000+0100') }, TIME],
  ['with a time without seconds', { notBefore: utcTime('2501010000Z') }, TIME],
  [
    'with a constructed string in its name',
    { subject: name(attribute('2.5.4.10', tlv(0x2c, text(TAG.utf8String, 'a'), text(TAG.utf8String, 'b')))) },
    'with the ASN.1 tag 44',
  ],
  ['with a primitive EXTERNAL in its name', { subject: value(8, LETTER) }, NO_STRING],
  ['with a primitive EMBEDDED PDV in its name', { subject: value(11, LETTER) }, NO_STRING],
  ['with a primitive CHARACTER STRING in its name', { subject: value(29, LETTER) }, NO_STRING],
  ['with a noncharacter in UTF-8 in its name', { subject: value(TAG.utf8String, 0xef, 0xbf, 0xbf) }, NO_STRING],
  ['with a noncharacter in a BMPString', { subject: value(TAG.bmpString, 0xfd, 0xd0) }, NO_STRING],
  ['with a surrogate in a BMPString', { subject: value(TAG.bmpString, 0xd8, 0) }, NO_STRING],
  ['with a surrogate in a UniversalString', { subject: value(TAG.universalString, 0, 0, 0xd8, 0) }, NO_STRING],
  ['with half a character in a BMPString', { subject: value(TAG.bmpString, 0, LETTER, 0) }, NO_STRING],
  ['with what is no Unicode in a UniversalString', { subject: value(TAG.universalString, 0, 0x11, 0, 0) }, NO_STRING],
  ['with what is no UTF-8 in a UTF8String', { subject: value(TAG.utf8String, 0xc0, 0x80) }, NO_STRING],
  ['with a bit string in its name whose unused bits are set', { subject: value(TAG.bitString, 4, 0xff) }, NO_STRING],
  [
    'with an empty relative name in its subject',
    { subject: sequence(set(commonName('a')), set()) },
    'a relative name within a name is empty',
  ],
  ['with an empty relative name in its issuer', { issuer: sequence(set()) }, 'a relative name within a name is empty'],
  [
    'with a primitive SET in its name',
    { subject: sequence(tlv(0x11, commonName('a'))) },
    'a relative name has the ASN.1 tag 17 instead of 49',
  ],
  ['with a constructed issuer unique id', { uniqueIds: [context(1, bitString(ONE_BYTE))] }, MORE],
  ['with a constructed subject unique id', { uniqueIds: [context(2, bitString(ONE_BYTE))] }, MORE],
  ['with an issuer unique id whose unused bits are set', { uniqueIds: [implicit(1, Uint8Array.of(1, 1))] }, LOOSE_BITS],
  ['with a subject unique id whose unused bits are set', { uniqueIds: [implicit(2, Uint8Array.of(1, 1))] }, LOOSE_BITS],
  ['of version 1 with extensions', { version: undefined }, MORE],
  ['of version 2 with extensions', { version: context(0, integer(1)) }, MORE],
  ['of version 1 with a unique id', { version: undefined, extensions: undefined, uniqueIds: [implicit(1, ONE_BYTE)] }, MORE],
  ['of version 4', { version: context(0, integer(3)) }, 'its version is none that there is'],
  ['of a version of several bytes', { version: context(0, integer(1, 0)) }, 'its version is none that there is'],
  [
    'with parameters that no algorithm has',
    { signatureAlgorithm: sequence(oid('1.2.840.10045.4.3.2'), tlv(TAG.boolean, Uint8Array.of(1))) },
    'the parameters of an algorithm are of a type that none has',
  ],
  ['with something after its version', { version: context(0, integer(2), NULL) }, 'its version has more in it'],
  [
    'with something after its list of extensions',
    { extensions: undefined, uniqueIds: [context(3, sequence(), NULL)] },
    'its extensions has more',
  ],
  [
    'with something after an attribute',
    { subject: name(sequence(oid('2.5.4.3'), UTF8, NULL)) },
    'an attribute of a name has more in it',
  ],
  [
    'with something after an extension',
    { extensions: [sequence(oid('1.2.3'), octetString(ONE_BYTE), NULL)] },
    'an extension has more in it',
  ],
  [
    'with something after the parameters of an algorithm',
    { signatureAlgorithm: sequence(oid('1.2.3'), NULL, NULL) },
    'its signature algorithm has more',
  ],
  [
    'with something after its public key',
    { publicKey: sequence(sequence(oid('1.2.3')), bitString(ONE_BYTE), NULL) },
    'its public key has more in it',
  ],
  [
    'with a public key that does not end as it says',
    { publicKey: sequence(sequence(oid('1.2.3')), bitString(Uint8Array.of(1), 1)) },
    LOOSE_BITS,
  ],
  ['with a constructed serial number', { serial: tlv(0x22, integer(1)) }, 'its serial number has the ASN.1 tag 34'],
  [
    'with a NULL that is not empty',
    { signatureAlgorithm: sequence(oid('1.2.3'), tlv(TAG.null, ONE_BYTE)) },
    'the parameters of an algorithm are of a type',
  ],
  ['with something after its extensions', { uniqueIds: [context(3, sequence()), context(3, sequence())] }, MORE],
  [
    'with something after its notAfter',
    { notAfter: Buffer.concat([utcTime('490101000000Z'), NULL]) },
    'its validity has more in it',
  ],
  [
    'with an extension whose value is a constructed string',
    { extensions: [sequence(oid('1.2.3'), tlv(0x24, octetString(ONE_BYTE)))] },
    'the value of an extension has the ASN.1 tag 36 instead of 4',
  ],
  ['with a length that is not the shortest', { subject: Buffer.concat([Uint8Array.of(0x30, 0x81, 0)]) }, 'the length at byte'],
];

const ODD_SIGNATURES: readonly (readonly [string, Uint8Array, string])[] = [
  ['whose signature is a constructed string', tlv(0x23, bitString(ONE_BYTE)), 'its signature has the ASN.1 tag 35 instead of 3'],
  ['whose signature does not end as it says', bitString(Uint8Array.of(1), 1), LOOSE_BITS],
];

export const REFUSED_FORMS: readonly RefusedForm[] = [
  ...ODD_PARTS.map(([what, parts, problem]) => ({ name: what, der: buildCertificate(parts, keys), problem })),
  {
    name: 'with something after its signature',
    der: sequence(tbs, algorithm, bitString(ONE_BYTE), NULL),
    problem: 'the certificate has more in it',
  },
  ...ODD_SIGNATURES.map(([what, signature, problem]) => ({ name: what, der: sequence(tbs, algorithm, signature), problem })),
];
