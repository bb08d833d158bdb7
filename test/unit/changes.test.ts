import { describe, expect, test } from 'vitest';
import { CertificateReader } from '../../src/spiffe/certificate.ts';
import { EMPTY_CONTEXT, type X509Context } from '../../src/spiffe/x509-context.ts';
import { contextChanges } from '../../src/workload-api/changes.ts';
import { readContext } from '../../src/workload-api/context.ts';
import { concatenated, HOUR, type Issued, issueAuthority, issueLeaf, NOW } from '../support/certificates.ts';
import { responseWith, svidMessage } from '../support/workload-messages.ts';

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
  return readContext(responseWith(messages, federated), reader, NOW).context;
}

const changes = (before: X509Context, after: X509Context) => contextChanges(before, after, 'because');

describe('an SVID', () => {
  test('that was not there before is received', () => {
    expect(changes(contextOf([web]), contextOf([web, api]))).toEqual([
      expect.objectContaining({ type: 'svid_received', id: API, hint: '', notAfter: NOW + HOUR }),
    ]);
  });

  test('with a new serial is rotated', () => {
    expect(changes(contextOf([web]), contextOf([newWeb]))).toEqual([
      { type: 'svid_rotated', id: WEB, hint: '', serial: '02', notAfter: NOW + HOUR },
    ]);
  });

  test('that is missing is withdrawn for the reason given', () => {
    expect(changes(contextOf([web, api]), contextOf([web]))).toEqual([{ type: 'svid_withdrawn', id: API, reason: 'because' }]);
  });

  test('that only changes its place is no news', () => {
    expect(changes(contextOf([web, api]), contextOf([api, web]))).toEqual([]);
  });

  test('that comes twice under one SPIFFE ID is no news the second time', () => {
    expect(changes(contextOf([web, newWeb]), contextOf([web, newWeb]))).toEqual([]);
  });

  test('that comes twice is received once, as the first', () => {
    expect(changes(contextOf([], [], []), contextOf([web, newWeb])).filter(({ type }) => type === 'svid_received')).toEqual([
      expect.objectContaining({ serial: '01' }),
    ]);
  });

  test('with a key that Envoy is picky about comes with a warning', async () => {
    const leaf = await issueLeaf(authority, WEB, { key: 'P-384' });
    expect(changes(contextOf([web]), contextOf([leaf]))).toEqual([
      expect.objectContaining({ type: 'svid_rotated', warning: expect.stringContaining('P-384') }),
    ]);
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

test('everything is withdrawn when nothing is left', () => {
  expect(changes(contextOf([web, api], [other]), EMPTY_CONTEXT).map(({ type }) => type)).toEqual([
    'svid_withdrawn',
    'svid_withdrawn',
    'bundle_withdrawn',
    'bundle_withdrawn',
  ]);
});
