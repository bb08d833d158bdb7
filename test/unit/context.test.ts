import { describe, expect, test } from 'vitest';
import type { X509SVIDResponse } from '../../src/gen/messages.ts';
import { CertificateReader } from '../../src/spiffe/certificate.ts';
import { EMPTY_CONTEXT } from '../../src/spiffe/x509-context.ts';
import { type ReadContext, readContext } from '../../src/workload-api/context.ts';
import { concatenated, issueAuthority, issueCrl, issueLeaf, NOW } from '../support/certificates.ts';
import { responseWith, svidMessage } from '../support/workload-messages.ts';

const WEB = 'spiffe://example.org/web';
const API = 'spiffe://example.org/api';
const reader = new CertificateReader();
const authority = await issueAuthority();
const other = await issueAuthority({ name: 'other' });
const webLeaf = await issueLeaf(authority, WEB);
const apiLeaf = await issueLeaf(authority, API);
const web = svidMessage(WEB, [webLeaf], [authority]);
const api = svidMessage(API, [apiLeaf], [authority]);

const read = (response: X509SVIDResponse): ReadContext => readContext(response, reader, NOW);

/** Trust domains, each with the serials of its authorities. */
const bundlesOf = ({ context }: ReadContext) =>
  Object.fromEntries([...context.bundles].map(([name, { authorities }]) => [name, authorities.map(({ serial }) => serial)]));
const serialOf = ({ der }: { readonly der: Buffer }) => reader.readAll(der).certificates[0]?.serial;

describe('a message', () => {
  test('becomes SVIDs in its order, with their hints and keys', () => {
    const { context } = read(responseWith([{ ...api, hint: 'internal' }, web]));
    expect(context.svids.map(({ id, hint, privateKey }) => [id, hint, privateKey])).toEqual([
      [API, 'internal', apiLeaf.privateKey],
      [WEB, '', webLeaf.privateKey],
    ]);
  });

  test('becomes bundles by trust domain, however the Workload API writes that', () => {
    const federated = { 'spiffe://partner.test': other.der, 'other.test': concatenated([other, authority]) };
    expect(bundlesOf(read(responseWith([web], federated)))).toEqual({
      'example.org': [serialOf(authority)],
      'partner.test': [serialOf(other)],
      'other.test': [serialOf(other), serialOf(authority)],
    });
  });

  test('with SVIDs of several trust domains has the bundle of each', async () => {
    const id = 'spiffe://other.test/web';
    const message = svidMessage(id, [await issueLeaf(other, id)], [other]);
    expect(bundlesOf(read(responseWith([web, message])))).toEqual({
      'example.org': [serialOf(authority)],
      'other.test': [serialOf(other)],
    });
  });

  test('without SVIDs is an empty context', () => {
    expect(read(responseWith([]))).toEqual({ context: EMPTY_CONTEXT, leftOut: [] });
  });

  test('keeps both SVIDs of one SPIFFE ID: their hints differ', () => {
    const { context } = read(responseWith([web, { ...web, hint: 'internal' }]));
    expect(context.svids.map(({ hint }) => hint)).toEqual(['', 'internal']);
  });
});

describe('a message is discarded whole', () => {
  test.for([
    [
      'spiffe_id',
      { spiffe_id: '' },
      'spiffe_id_invalid',
      'without a SPIFFE ID): not a SPIFFE ID: "": it must begin with "spiffe://"',
    ],
    ['x509_svid', { x509_svid: Buffer.alloc(0) }, 'response_invalid', `${API}): the mandatory field x509_svid is empty`],
    [
      'x509_svid_key',
      { x509_svid_key: Buffer.alloc(0) },
      'response_invalid',
      `${API}): the mandatory field x509_svid_key is empty`,
    ],
    ['bundle', { bundle: Buffer.alloc(0) }, 'response_invalid', `${API}): the mandatory field bundle is empty`],
  ] as const)('when the mandatory field %s of one SVID is empty', ([_field, change, code, problem]) => {
    expect(() => read(responseWith([web, { ...api, ...change }]))).toThrow(
      expect.objectContaining({ code, message: `X509-SVID 2 of 2 (${problem}` }),
    );
  });

  test.for([
    ['its SPIFFE ID is none', { spiffe_id: 'spiffe://Example.org/api' }, 'spiffe_id_invalid', '"E" in the trust domain'],
    ['it belongs to another SPIFFE ID', { spiffe_id: WEB }, 'svid_invalid', `the leaf's URI SAN is ${API}`],
    ['its key is that of another', { x509_svid_key: webLeaf.privateKey }, 'svid_invalid', 'does not belong to the leaf'],
    ['its bundle did not sign it', { bundle: other.der }, 'svid_invalid', 'does not verify against the 1 valid authorities'],
    ['its certificate is garbage', { x509_svid: Buffer.from('x') }, 'certificate_invalid', 'not concatenated DER certificates'],
    ['its bundle is garbage', { bundle: Buffer.from('x') }, 'certificate_invalid', 'not concatenated DER certificates'],
    [
      'its bundle holds a leaf',
      { bundle: concatenated([authority, webLeaf]) },
      'bundle_invalid',
      `certificate ${serialOf(webLeaf)} in the bundle is not a CA certificate`,
    ],
  ] as const)('when one SVID does not verify: %s', ([_what, change, code, problem]) => {
    expect(() => read(responseWith([web, { ...api, ...change }]))).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(problem) }),
    );
  });

  test('when an SVID has expired by the clock that it is held against', () => {
    const later = webLeaf.certificate.notAfter.getTime();
    expect(() => readContext(responseWith([web]), reader, later)).toThrow(/expired at/);
  });

  test('with an error that does not grow with what was sent', () => {
    expect(() => read(responseWith([{ ...web, spiffe_id: 'x'.repeat(100_000) }]))).toThrow(
      expect.objectContaining({ message: expect.stringMatching(/^.{100,600}$/) }),
    );
  });
});

describe('a federated bundle', () => {
  test.for([
    ['is empty', { 'spiffe://partner.test': Buffer.alloc(0) }, 'spiffe://partner.test', 'the mandatory field bundle is empty'],
    ['is garbage', { 'spiffe://partner.test': Buffer.from('x') }, 'spiffe://partner.test', 'not concatenated DER'],
    ['ends in garbage', { 'a.test': Buffer.concat([other.der, Buffer.from('x')]) }, 'a.test', 'not concatenated DER'],
    ['is cut short', { 'a.test': other.der.subarray(0, -1) }, 'a.test', 'not concatenated DER'],
    ['holds a leaf', { 'a.test': webLeaf.der }, 'a.test', 'is not a CA certificate'],
    ['has a name that is no trust domain', { 'spiffe://a.test/x': other.der }, 'spiffe://a.test/x', 'not a trust domain'],
  ] as const)('that %s is left out, the rest counts', ([_what, bad, trustDomain, reason]) => {
    const result = read(responseWith([web], { ...bad, 'spiffe://good.test': other.der }));
    expect({ trustDomains: [...result.context.bundles.keys()], leftOut: result.leftOut }).toEqual({
      trustDomains: ['example.org', 'good.test'],
      leftOut: [{ type: 'bundle_left_out', trustDomain, reason: expect.stringContaining(reason) }],
    });
  });

  test('cannot take the place of our own trust domain', () => {
    expect(bundlesOf(read(responseWith([web], { 'spiffe://example.org': other.der })))).toEqual({
      'example.org': [serialOf(authority)],
    });
  });

  test('that comes twice under two spellings counts as it came first', () => {
    const federated = { 'spiffe://partner.test': other.der, 'partner.test': authority.der };
    expect(bundlesOf(read(responseWith([], federated)))).toEqual({ 'partner.test': [serialOf(other)] });
  });
});

describe('a CRL', () => {
  test('comes with whatever trust domain it belongs to', async () => {
    const crls = [await issueCrl(other), await issueCrl(authority)];
    const { context } = read(responseWith([web], {}, crls));
    expect(context.crls.map(({ der }) => Buffer.from(der))).toEqual(crls);
  });

  test.for([
    ['is empty', Buffer.alloc(0)],
    ['is garbage', Buffer.from('garbage')],
    ['is a certificate', authority.der],
  ] as const)('that %s is left out, the rest counts', async ([_what, bad]) => {
    const good = await issueCrl(authority);
    const { context, leftOut } = read(responseWith([web], {}, [bad, good]));
    expect({ ids: context.svids.map(({ id }) => id), crls: context.crls.length, leftOut }).toEqual({
      ids: [WEB],
      crls: 1,
      leftOut: [{ type: 'crl_left_out', reason: expect.stringContaining('the CRL does not parse') }],
    });
  });
});
