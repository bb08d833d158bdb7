import { describe, expect, test } from 'vitest';
import type { X509SVIDResponse } from '../../../src/gen/messages.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { EMPTY_CONTEXT } from '../../../src/spiffe/x509-context.ts';
import { type ReadContext, readContext } from '../../../src/workload-api/context.ts';
import { responseWith, svidMessage } from '../../support/workload-api/workload-messages.ts';
import { concatenated, issueAuthority, issueCrl, issueLeaf, NOW } from '../../support/x509/certificates.ts';

const WEB = 'spiffe://example.org/web';
const API = 'spiffe://example.org/api';
const reader = new CertificateReader();
const authority = await issueAuthority();
const other = await issueAuthority({ name: 'other' });
const webLeaf = await issueLeaf(authority, WEB);
const apiLeaf = await issueLeaf(authority, API);
const web = svidMessage(WEB, [webLeaf], [authority]);
const api = svidMessage(API, [apiLeaf], [authority]);

const read = (response: X509SVIDResponse): ReadContext => readContext(response, reader);

/** Trust domains, each with the serials of its authorities. */
const bundlesOf = ({ context }: ReadContext) =>
  Object.fromEntries([...context.bundles].map(([name, { authorities }]) => [name, authorities.map(({ serial }) => serial)]));
const serialOf = ({ der }: { readonly der: Buffer }) => reader.readAll(der).certificates[0]?.serial;

describe('a message', () => {
  test('becomes SVIDs in its order, with their hints and keys', () => {
    const { context } = read(responseWith([{ ...api, hint: 'internal' }, web]));
    expect(context.svids.map(({ id, hint, privateKey }) => [id, hint, Buffer.from(privateKey)])).toEqual([
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
    expect(read(responseWith([]))).toMatchObject({ context: EMPTY_CONTEXT, leftOut: [] });
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
    ['its bundle did not sign it', { bundle: other.der }, 'svid_invalid', 'does not verify against the 1 authorities'],
    [
      'its certificate is garbage',
      { x509_svid: Buffer.from('x') },
      'certificate_invalid',
      'its leaf cannot be used: it is not DER',
    ],
    [
      'its bundle is garbage',
      { bundle: Buffer.from('x') },
      'bundle_invalid',
      'certificate 1: it is not DER: byte 0 does not begin',
    ],
    [
      'its bundle holds nothing but a leaf',
      { bundle: webLeaf.der },
      'bundle_invalid',
      'no certificate of the bundle can be used: CN=leaf: it is not a CA certificate',
    ],
  ] as const)('when one SVID does not verify: %s', ([_what, change, code, problem]) => {
    expect(() => read(responseWith([web, { ...api, ...change }]))).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(problem) }),
    );
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
    ['is garbage', { 'spiffe://partner.test': Buffer.from('x') }, 'spiffe://partner.test', 'it is not DER'],
    ['is cut short', { 'a.test': other.der.subarray(0, -1) }, 'a.test', 'it is not DER'],
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

describe('an odd certificate in a bundle', () => {
  const stray = { subject: 'CN=leaf', reason: 'it is not a CA certificate' };
  const garbage = { subject: 'certificate 2', reason: expect.stringContaining('it is not DER') };

  test.for([
    ['a stray leaf', webLeaf.der, stray],
    [
      'something that is no certificate',
      webLeaf.privateKey,
      { subject: 'certificate 2', reason: expect.stringContaining('parse') },
    ],
    ['garbage at the end', Buffer.from('x'), garbage],
    ['a certificate that is cut short', other.der.subarray(0, -1), garbage],
  ] as const)('is left out and told, the others are served: %s', ([_what, odd, told]) => {
    const bundle = Buffer.concat([authority.der, odd]);
    const result = read(responseWith([{ ...web, bundle }], { 'spiffe://partner.test': bundle }));
    expect({ bundles: bundlesOf(result), leftOut: result.leftOut }).toEqual({
      bundles: { 'example.org': [serialOf(authority)], 'partner.test': [serialOf(authority)] },
      leftOut: ['spiffe://example.org', 'spiffe://partner.test'].map((of) => ({ type: 'certificate_left_out', of, ...told })),
    });
  });

  test('does not keep those after it from being served', () => {
    const bundle = concatenated([webLeaf, authority, other]);
    expect(bundlesOf(read(responseWith([{ ...web, bundle }])))).toEqual({
      'example.org': [serialOf(authority), serialOf(other)],
    });
  });
});

describe('an odd certificate beside a leaf', () => {
  test('is left out and told, when no path needs it', () => {
    const x509_svid = Buffer.concat([webLeaf.der, webLeaf.privateKey]);
    const { context, leftOut } = read(responseWith([{ ...web, x509_svid }]));
    expect({ chains: context.svids.map(({ chain }) => chain.length), leftOut }).toEqual({
      chains: [1],
      leftOut: [
        { type: 'certificate_left_out', of: WEB, subject: 'certificate 2', reason: expect.stringContaining('it does not parse') },
      ],
    });
  });
});

describe('a date', () => {
  test.for([
    ['has expired', NOW - 1000, NOW - 500],
    ['is not valid yet', NOW + 1000, NOW + 2000],
  ] as const)(
    'is not judged when a message is read: an SVID that %s comes with its neighbours',
    async ([_what, notBefore, notAfter]) => {
      const late = svidMessage(API, [await issueLeaf(authority, API, { notBefore, notAfter })], [authority]);
      expect(read(responseWith([late, web])).context.svids.map(({ id }) => id)).toEqual([API, WEB]);
    },
  );
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
