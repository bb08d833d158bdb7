/** Which leaves Envoy takes as its own certificate. */
import 'reflect-metadata';
import { generateKeyPairSync } from 'node:crypto';
import { Extension } from '@peculiar/x509';
import { expect, test } from 'vitest';
import { leafProblem } from '../../../src/envoy/leaf-form.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import type { Certificate } from '../../../src/spiffe/x509/certificate.ts';
import { buildCertificate, commonName, name } from '../../support/x509/certificate-builder.ts';
import { issueAuthority, issueLeaf } from '../../support/x509/certificates.ts';

const reader = new CertificateReader();
const root = await issueAuthority();
const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const read = (der: Uint8Array) => reader.readAll(der).certificates[0] as Certificate;
const withSubject = (...names: readonly string[]) => read(buildCertificate({ subject: name(...names.map(commonName)) }, keys));

test.for([
  ['has a common name', withSubject('web'), undefined],
  ['has an empty subject', withSubject(), undefined],
  ['has a second common name that is empty', withSubject('web', ''), undefined],
  ['has an empty common name', withSubject(''), 'the common name in its subject is empty'],
  ['has an empty common name first', withSubject('', 'web'), 'the common name in its subject is empty'],
] as const)('a leaf that %s', ([_what, leaf, problem]) => {
  expect(leafProblem(leaf)).toEqual(problem && expect.stringContaining(problem));
});

test('a leaf that must be served with an OCSP response is refused', async () => {
  const mustStaple = new Extension('1.3.6.1.5.5.7.1.24', false, Uint8Array.of(0x30, 3, 2, 1, 5));
  const { der } = await issueLeaf(root, 'spiffe://example.org/web', { extensions: [mustStaple] });
  expect(leafProblem(read(der))).toContain('OCSP');
});
