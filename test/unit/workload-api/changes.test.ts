import { describe, expect, test } from 'vitest';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { EMPTY_CONTEXT, type X509Context } from '../../../src/spiffe/x509-context.ts';
import { bundleChanges, sameContext } from '../../../src/workload-api/changes.ts';
import { readContext } from '../../../src/workload-api/context.ts';
import { responseWith, svidMessage } from '../../support/workload-api/workload-messages.ts';
import { concatenated, HOUR, type Issued, issueAuthority, issueLeaf, NOW } from '../../support/x509/certificates.ts';

const WEB = 'spiffe://example.org/web';
const API = 'spiffe://example.org/api';
const reader = new CertificateReader();
const authority = await issueAuthority();
const other = await issueAuthority({ name: 'other' });
const web = await issueLeaf(authority, WEB, { serial: '01' });
const newWeb = await issueLeaf(authority, WEB, { serial: '02' });
const api = await issueLeaf(authority, API);

const leaves = new Map([
  [web, WEB],
  [newWeb, WEB],
  [api, API],
]);

/** @param partner authorities of partner.test, which is federated when there are any */
function contextOf(
  svids: readonly Issued[],
  partner: readonly Issued[] = [],
  bundle: readonly Issued[] = [authority],
): X509Context {
  const messages = svids.map((leaf) => svidMessage(leaves.get(leaf) ?? WEB, [leaf], bundle));
  const federated = partner.length === 0 ? {} : { 'spiffe://partner.test': concatenated(partner) };
  return readContext(responseWith(messages, federated), reader).context;
}

const changes = (before: X509Context, after: X509Context) => [...bundleChanges(before, after, 'because')];

describe('two contexts are the same', () => {
  test('when they have the same certificates', () => {
    expect(sameContext(contextOf([web, api], [other]), contextOf([web, api], [other]))).toBe(true);
  });

  test.for([
    ['another order of SVIDs, for the first is the default', () => contextOf([api, web])],
    ['one SVID less', () => contextOf([web])],
    ['another leaf', () => contextOf([newWeb, api])],
    ['another bundle', () => contextOf([web, api], [other])],
  ] as const)('not with %s', ([_what, changed]) => {
    expect(sameContext(contextOf([web, api]), changed())).toBe(false);
  });

  test('not with another intermediate for the same leaf', async () => {
    const intermediate = await issueAuthority({ name: 'intermediate', issuer: authority });
    const renewed = await issueAuthority({ name: 'intermediate', issuer: authority, keys: intermediate.keys });
    const leaf = await issueLeaf(intermediate, WEB);
    const context = (chain: readonly [Issued, Issued]) =>
      readContext(responseWith([svidMessage(WEB, chain, [authority])]), reader).context;
    expect(sameContext(context([leaf, intermediate]), context([leaf, renewed]))).toBe(false);
  });
});

describe('a bundle', () => {
  const before = contextOf([web], [authority, other]);

  test('that was not there before is updated', () => {
    expect(changes(contextOf([web]), contextOf([web], [other]))).toEqual([
      { type: 'bundle_updated', trustDomain: 'partner.test', authorities: 1, notAfter: NOW + HOUR },
    ]);
  });

  test.for([
    ['one more', [authority], [authority, other], 2],
    ['one less', [authority, other], [other], 1],
    ['another', [authority], [other], 1],
  ] as const)('with %s authority is updated', ([_what, old, now, authorities]) => {
    expect(changes(contextOf([web], old), contextOf([web], now))).toEqual([
      { type: 'bundle_updated', trustDomain: 'partner.test', authorities, notAfter: NOW + HOUR },
    ]);
  });

  test('that Envoy cannot verify anybody with comes with a warning', async () => {
    const intermediate = await issueAuthority({ name: 'intermediate', issuer: authority });
    expect(changes(contextOf([web]), contextOf([web], [intermediate]))).toEqual([
      expect.objectContaining({ type: 'bundle_updated', warning: expect.stringContaining('no self-signed root') }),
    ]);
  });

  test('that is missing is withdrawn for the reason given', () => {
    expect(changes(before, contextOf([web]))).toEqual([
      { type: 'bundle_withdrawn', trustDomain: 'partner.test', reason: 'because' },
    ]);
  });

  test.for([
    ['in another order', [other, authority]],
    ['with one authority twice', [authority, other, other]],
  ] as const)('with the same authorities %s is no news', ([_what, partner]) => {
    expect(changes(before, contextOf([web], partner))).toEqual([]);
  });
});

test('every bundle is withdrawn when nothing is left', () => {
  expect(changes(contextOf([web, api], [other]), EMPTY_CONTEXT).map(({ type }) => type)).toEqual([
    'bundle_withdrawn',
    'bundle_withdrawn',
  ]);
});
