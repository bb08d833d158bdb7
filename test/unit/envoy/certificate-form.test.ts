import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { formProblem } from '../../../src/envoy/certificate-form.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { baseShapes } from '../../fuzz/certificates/shapes.ts';
import {
  attribute,
  BASIC_CONSTRAINTS,
  buildCertificate,
  type CertificateParts,
  commonName,
  generalizedTime,
  KEY_USAGE,
  name,
  utcTime,
} from '../../support/x509/certificate-builder.ts';
import { boolean, implicit, NULL, octetString, oid, sequence, set, TAG, tlv } from '../../support/x509/der-writer.ts';
import { REFUSED_FORMS } from '../../support/x509/refused-forms.ts';

const reader = new CertificateReader();
const shapes = await baseShapes();
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const value = (tag: number, ...bytes: readonly number[]) => name(attribute('2.5.4.10', tlv(tag, Uint8Array.from(bytes))));

const problemWith = (parts: CertificateParts) => formProblem({ der: buildCertificate(parts, keys) });

describe('all Envoys take a certificate', () => {
  test.for(shapes)('$name', ({ der }) => {
    const { certificates, unreadable } = reader.readAll(der);
    expect({ unreadable, problem: certificates.map(formProblem) }).toEqual({ unreadable: [], problem: [undefined] });
  });

  test.for([
    ['with an offset in its UTCTime', { notBefore: utcTime('250101000000+0100') }],
    ['with a year of one digit', { notBefore: generalizedTime('00010101000000Z') }],
    [
      'with TRUE as 1',
      { extensions: [sequence(oid('2.5.29.19'), tlv(TAG.boolean, Uint8Array.of(1)), octetString(sequence(boolean(true))))] },
    ],
    [
      'with FALSE where it is the default',
      { extensions: [BASIC_CONSTRAINTS, sequence(oid('1.2.3'), boolean(false), octetString(NULL))] },
    ],
    ['with a list of no extensions', { extensions: [] }],
    [
      'with an extension that is not what its name says',
      { extensions: [BASIC_CONSTRAINTS, sequence(oid('2.5.29.14'), octetString(NULL))] },
    ],
    ['with its extensions in another order', { extensions: [KEY_USAGE, BASIC_CONSTRAINTS] }],
    ['with an empty string in its name', { subject: value(TAG.utf8String) }],
    ['with a bit string in its name', { subject: value(TAG.bitString, 4, 0xf0) }],
    ['with what is no letter of a PrintableString', { subject: value(TAG.printableString, 0x40, 0x2a, 0xff) }],
    ['with an attribute twice in one relative name', { subject: sequence(set(commonName('a'), commonName('a'))) }],
    ['with parameters that are an object identifier', { signatureAlgorithm: sequence(oid('1.2.840.10045.4.3.2'), oid('1.2.3')) }],
    ['with an empty issuer unique id', { uniqueIds: [implicit(1, Uint8Array.of(0))] }],
  ] as const)('%s', ([_what, parts]) => {
    expect(problemWith(parts)).toBeUndefined();
  });
});

describe('an Envoy refuses a certificate', () => {
  test.for(REFUSED_FORMS)('$name', ({ der, problem }) => {
    expect(formProblem({ der })).toContain(problem);
  });
});

describe('left out is also what Envoy takes, a certificate', () => {
  test.for([
    [
      'of the year 0, with which its /certs answers nothing',
      { notBefore: generalizedTime('00000101000000Z') },
      'a time of its validity is not written',
    ],
    ['with a value in its name that is no string of X.520', { subject: value(7, 0x41) }, 'that is none of its strings'],
  ] as const)('%s', ([_what, parts, problem]) => {
    expect(problemWith(parts)).toContain(problem);
  });
});

test('a certificate is judged once', () => {
  const certificate = { der: buildCertificate({}, keys) };
  expect(formProblem(certificate)).toBeUndefined();
  certificate.der.fill(0);
  expect(formProblem(certificate)).toBeUndefined();
});
