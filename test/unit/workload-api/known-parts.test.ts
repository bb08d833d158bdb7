/** A message that repeats the one before it, but for one thing. */
import { describe, expect, test } from 'vitest';
import type { X509SVIDResponse } from '../../../src/gen/messages.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { readBundles, readContext } from '../../../src/workload-api/context.ts';
import { areBytesOf } from '../../../src/workload-api/known-parts.ts';
import { bundlesWith, responseWith, svidMessage } from '../../support/workload-api/workload-messages.ts';
import { concatenated, issueAuthority, issueLeaf } from '../../support/x509/certificates.ts';

const WEB = 'spiffe://example.org/web';
const API = 'spiffe://example.org/api';
const authority = await issueAuthority();
const other = await issueAuthority({ name: 'other' });
const web = svidMessage(WEB, [await issueLeaf(authority, WEB)], [authority]);
const api = svidMessage(API, [await issueLeaf(authority, API)], [authority]);
const renewed = svidMessage(WEB, [await issueLeaf(authority, WEB)], [authority]);
const FEDERATED = { 'spiffe://partner.test': other.der };

const reader = new CertificateReader();
const before = readContext(responseWith([web, api], FEDERATED), reader);
const next = (response: X509SVIDResponse) => readContext(response, reader, before.parts);
const [webBefore, apiBefore] = before.context.svids;

describe('after a message', () => {
  test('an SVID with the same bytes is the same value', () => {
    expect(next(responseWith([renewed, api], FEDERATED)).context.svids[1]).toBe(apiBefore);
  });

  test('an SVID with another leaf is another', () => {
    const [svid] = next(responseWith([renewed, api], FEDERATED)).context.svids;
    expect([svid?.id, svid === webBefore, svid?.chain[0] === webBefore?.chain[0]]).toEqual([WEB, false, false]);
  });

  test('SVIDs in another order are the same values', () => {
    expect(next(responseWith([api, web], FEDERATED)).context.svids).toEqual([apiBefore, webBefore]);
  });

  test('a bundle with the same bytes is the same value, also on the stream of bundles', () => {
    const bundle = before.context.bundles.get('partner.test' as never);
    expect(next(responseWith([api], FEDERATED)).context.bundles.get('partner.test' as never)).toBe(bundle);
    const first = readBundles(bundlesWith(FEDERATED), reader);
    const second = readBundles(bundlesWith(FEDERATED), reader, first.parts);
    expect([...second.context.bundles.values()]).toEqual([...first.context.bundles.values()]);
    expect(second.context.bundles.get('partner.test' as never)).toBe(first.context.bundles.get('partner.test' as never));
  });

  test('an SVID is verified again when its bundle is another', () => {
    const rolled = { ...web, bundle: concatenated([other]) };
    expect(() => next(responseWith([rolled]))).toThrow('does not verify against the 1 authorities');
  });

  test('an SVID with another key is refused, though its certificate is known', () => {
    expect(() => next(responseWith([{ ...web, x509_svid_key: api.x509_svid_key }]))).toThrow('does not belong to the leaf');
  });

  test('an SVID without its key is refused, though its certificate is known', () => {
    expect(() => next(responseWith([{ ...web, x509_svid_key: Buffer.alloc(0) }]))).toThrow('x509_svid_key is empty');
  });

  test('a known SVID with something behind it is read again', () => {
    const more = { ...web, x509_svid: Buffer.concat([web.x509_svid, Buffer.of(0)]) };
    expect(next(responseWith([more])).leftOut).toMatchObject([{ type: 'certificate_left_out', of: WEB }]);
  });

  test('what was left out of it is told again', async () => {
    const leaf = svidMessage(WEB, [await issueLeaf(authority, WEB)], [authority]).x509_svid;
    const mixed = { 'spiffe://partner.test': Buffer.concat([other.der, leaf]) };
    const first = readContext(responseWith([web], mixed), reader);
    expect(first.leftOut).toHaveLength(1);
    expect(readContext(responseWith([web], mixed), reader, first.parts).leftOut).toEqual(first.leftOut);
  });

  test('nothing of it is kept in memory by a key: a message may be large', () => {
    expect(webBefore?.privateKey.buffer.byteLength).toBe(web.x509_svid_key.length);
  });

  test('its certificates are known for as long as they come, wherever else they come then', () => {
    const long = new CertificateReader();
    let { parts, context } = readContext(responseWith([web]), long);
    for (let message = 0; message < 3; message++) {
      long.nextGeneration();
      ({ parts, context } = readContext(responseWith([web]), long, parts));
    }
    const [certificate] = long.readAll(authority.der).certificates;
    expect(certificate).toBe(context.svids[0]?.authorities[0]);
  });
});

describe('areBytesOf', () => {
  const { certificates } = reader.readAll(concatenated([authority, other]));

  test.for([
    ['the same, in order', [authority, other], true],
    ['one missing', [authority], false],
    ['one more', [authority, other, other], false],
    ['another order', [other, authority], false],
    ['nothing', [], false],
  ] as const)('%s', ([, issued, expected]) => {
    expect(areBytesOf(concatenated([...issued]), certificates)).toBe(expected);
  });
});
