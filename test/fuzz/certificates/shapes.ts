/** Certificates as they are met: every key, name, time, number and extension that an issuer may well write. */
import { constants, generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import {
  attribute,
  BASIC_CONSTRAINTS,
  buildCertificate,
  type CertificateParts,
  commonName,
  ECDSA,
  extension,
  generalizedTime,
  KEY_USAGE,
  type Keys,
  name,
  type Signing,
  subjectAltName,
  uri,
  utcTime,
  VERSION_3,
} from '../../support/x509/certificate-builder.ts';
import {
  bitString,
  boolean,
  context,
  implicit,
  integer,
  NULL,
  octetString,
  oid,
  sequence,
  set,
  TAG,
  text,
  tlv,
  wideText,
} from '../../support/x509/der-writer.ts';

export interface Shape {
  readonly name: string;
  readonly der: Buffer;
}

const RSA_OIDS = { sha256: '1.2.840.113549.1.1.11', sha384: '1.2.840.113549.1.1.12', sha512: '1.2.840.113549.1.1.13' } as const;
const SHA256 = sequence(oid('2.16.840.1.101.3.4.2.1'), NULL);
const PSS: Signing = {
  algorithm: sequence(
    oid('1.2.840.113549.1.1.10'),
    sequence(context(0, SHA256), context(1, sequence(oid('1.2.840.113549.1.1.8'), SHA256)), context(2, integer(32))),
  ),
  hash: 'sha256',
  options: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 },
};
const ED25519: Signing = { algorithm: sequence(oid('1.3.101.112')), hash: null };
const KEY_ID = Buffer.alloc(20, 7);
const AT = name(commonName('at'));
const EXAMPLE = uri('spiffe://example.org');

/** One attribute in each type of string that is met. */
const STRINGS: Readonly<Record<string, Uint8Array>> = {
  PrintableString: text(TAG.printableString, 'Example Org'),
  UTF8String: tlv(TAG.utf8String, Buffer.from('Beispiel \u00fc \u{1f512}')),
  IA5String: text(TAG.ia5String, 'ca@example.org'),
  T61String: text(TAG.t61String, 'Exempl\xe9'),
  BMPString: wideText(TAG.bmpString, 'Example', 2),
  UniversalString: wideText(TAG.universalString, 'Example', 4),
  NumericString: text(TAG.numericString, '12 34'),
};

const EXTENSIONS: Readonly<Record<string, readonly Uint8Array[]>> = {
  'without keyUsage': [BASIC_CONSTRAINTS],
  'with key ids': [
    BASIC_CONSTRAINTS,
    KEY_USAGE,
    extension('2.5.29.14', octetString(KEY_ID)),
    extension('2.5.29.35', sequence(implicit(0, KEY_ID))),
  ],
  'with an AKID of all three parts': [
    BASIC_CONSTRAINTS,
    extension('2.5.29.35', sequence(implicit(0, KEY_ID), context(1, context(4, AT)), implicit(2, Uint8Array.of(1)))),
  ],
  'with CRL distribution points': [
    BASIC_CONSTRAINTS,
    KEY_USAGE,
    extension('2.5.29.31', sequence(sequence(context(0, context(0, uri('http://crl.example.org/1')))))),
  ],
  'with access to its issuer': [
    BASIC_CONSTRAINTS,
    extension('1.3.6.1.5.5.7.1.1', sequence(sequence(oid('1.3.6.1.5.5.7.48.1'), uri('http://ocsp.example.org')))),
  ],
  'with policies': [
    BASIC_CONSTRAINTS,
    KEY_USAGE,
    extension(
      '2.5.29.32',
      sequence(
        sequence(oid('2.5.29.32.0')),
        sequence(oid('1.3.6.1.4.1.99999.1'), sequence(sequence(oid('1.3.6.1.5.5.7.2.1'), text(TAG.ia5String, 'http://cps')))),
      ),
    ),
    extension('2.5.29.36', sequence(implicit(0, Uint8Array.of(0))), true),
  ],
  'with name constraints': [
    BASIC_CONSTRAINTS,
    KEY_USAGE,
    extension('2.5.29.30', sequence(context(0, sequence(uri('example.org')), sequence(implicit(2, Buffer.from('x.test')))))),
  ],
  'with extended key usage': [
    BASIC_CONSTRAINTS,
    KEY_USAGE,
    extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1'), oid('1.3.6.1.5.5.7.3.2'), oid('2.5.29.37.0'))),
  ],
  'with names of all kinds': [
    BASIC_CONSTRAINTS,
    KEY_USAGE,
    subjectAltName(
      EXAMPLE,
      implicit(2, Buffer.from('ca.example.org')),
      implicit(1, Buffer.from('ca@example.org')),
      implicit(7, Uint8Array.of(127, 0, 0, 1)),
      implicit(7, Buffer.alloc(16, 1)),
      context(4, AT),
      context(0, oid('1.3.6.1.4.1.311.20.2.3'), context(0, tlv(TAG.utf8String, Buffer.from('upn@example.org')))),
      implicit(8, oid('1.3.6.1.4.1.99999.2').subarray(2)),
    ),
  ],
  'with many names': [
    BASIC_CONSTRAINTS,
    subjectAltName(EXAMPLE, ...Array.from({ length: 40 }, (_, i) => implicit(2, Buffer.from(`host-${i}.example.org`)))),
  ],
  'with an unknown extension': [BASIC_CONSTRAINTS, KEY_USAGE, extension('1.3.6.1.4.1.99999.3', Buffer.from('anything'))],
  'with an unknown critical extension': [BASIC_CONSTRAINTS, extension('1.3.6.1.4.1.99999.3', NULL, true)],
  'with a path length': [extension('2.5.29.19', sequence(boolean(true), integer(0)), true), KEY_USAGE],
  'with a Netscape comment': [BASIC_CONSTRAINTS, extension('2.16.840.1.113730.1.13', text(TAG.ia5String, 'made by hand'))],
  'that is no CA': [extension('2.5.29.19', sequence()), extension('2.5.29.15', bitString(Uint8Array.of(0x80), 7), true)],
};

const NUMBERS: Readonly<Record<string, Uint8Array>> = {
  'a serial of 20 bytes': integer(0x7f, ...Buffer.alloc(19, 0xff)),
  'a serial of 32 bytes': integer(0x11, ...Buffer.alloc(31, 0x22)),
  'a serial with a sign byte': integer(0, 0x80),
  'a negative serial': integer(0x80, 1),
  'the serial zero': integer(0),
};

const PARTS: Readonly<Record<string, CertificateParts>> = {
  'of version 1': { version: undefined, extensions: undefined },
  'of version 1 that says so': { version: context(0, integer(0)), extensions: undefined },
  'of version 2 with unique ids': {
    version: context(0, integer(1)),
    extensions: undefined,
    uniqueIds: [implicit(1, Uint8Array.of(0, 1, 2)), implicit(2, Uint8Array.of(0, 3))],
  },
  'with unique ids': { uniqueIds: [implicit(1, Uint8Array.of(0, 1, 2)), implicit(2, Uint8Array.of(4, 0xf0))] },
  'without extensions': { version: VERSION_3, extensions: undefined },
  'with GeneralizedTime from 2050 on': { notAfter: generalizedTime('20500101000000Z') },
  'with GeneralizedTime before 2050': {
    notBefore: generalizedTime('20250101000000Z'),
    notAfter: generalizedTime('20300101000000Z'),
  },
  'that does not expire': { notAfter: generalizedTime('99991231235959Z') },
  'of the last century': { notBefore: utcTime('500101000000Z'), notAfter: utcTime('991231235959Z') },
  'of an empty subject': { subject: sequence(), issuer: AT },
  'of no names at all': { subject: sequence(), issuer: sequence() },
  'of a name with two values': {
    subject: sequence(set(commonName('a'), attribute('2.5.4.10', text(TAG.printableString, 'b')))),
  },
  'of a long name': {
    subject: name(
      attribute('2.5.4.6', text(TAG.printableString, 'DE')),
      attribute('2.5.4.10', tlv(TAG.utf8String, Buffer.from('Example'))),
      attribute('2.5.4.11', tlv(TAG.utf8String, Buffer.from('Example unit'))),
      attribute('0.9.2342.19200300.100.1.25', text(TAG.ia5String, 'example')),
      attribute('1.2.840.113549.1.9.1', text(TAG.ia5String, 'ca@example.org')),
      attribute('2.5.4.5', text(TAG.printableString, '1234')),
      attribute('2.5.4.45', bitString(Uint8Array.of(1, 2))),
      commonName('x'.repeat(300)),
    ),
  },
};

const generate = promisify(generateKeyPair);

/** @returns at least 30, each signed by its own key, the first by P-256 with nothing special about it */
export async function baseShapes(): Promise<readonly Shape[]> {
  const [p256, p384, p521, rsa2048, rsa3072, rsa4096, ed25519] = await Promise.all([
    generate('ec', { namedCurve: 'P-256' }),
    generate('ec', { namedCurve: 'P-384' }),
    generate('ec', { namedCurve: 'P-521' }),
    generate('rsa', { modulusLength: 2048 }),
    generate('rsa', { modulusLength: 3072 }),
    generate('rsa', { modulusLength: 4096 }),
    generate('ed25519', {}),
  ]);
  const ecdsa = (id: string, hash: string): Signing => ({ algorithm: sequence(oid(id)), hash });
  const rsa = (hash: keyof typeof RSA_OIDS): Signing => ({ algorithm: sequence(oid(RSA_OIDS[hash]), NULL), hash });
  const byKey: Readonly<Record<string, readonly [Keys, Signing]>> = {
    'P-256': [p256, ECDSA],
    'P-384': [p384, ecdsa('1.2.840.10045.4.3.3', 'sha384')],
    'P-521': [p521, ecdsa('1.2.840.10045.4.3.4', 'sha512')],
    'RSA 2048': [rsa2048, rsa('sha256')],
    'RSA 3072': [rsa3072, rsa('sha384')],
    'RSA 4096': [rsa4096, rsa('sha512')],
    'RSA-PSS signature': [rsa2048, PSS],
    Ed25519: [ed25519, ED25519],
  };
  const certificate = (parts: CertificateParts) => buildCertificate(parts, p256);
  return [
    ...named(byKey, ([keys, signing]) => buildCertificate({}, keys, signing)),
    ...named(EXTENSIONS, (extensions) => certificate({ extensions })),
    ...named(NUMBERS, (serial) => certificate({ serial })),
    ...named(STRINGS, (value) => certificate({ subject: name(attribute('2.5.4.10', value)) })),
    ...named(PARTS, certificate),
  ];
}

function named<T>(values: Readonly<Record<string, T>>, build: (value: T) => Buffer): readonly Shape[] {
  return Object.entries(values).map(([what, value]) => ({ name: what, der: build(value) }));
}
