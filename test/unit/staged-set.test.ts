import { describe, expect, test } from 'vitest';
import { createSecretSet } from '../../src/secrets/secret-set.ts';
import { needsBundleFirst, stageBundles } from '../../src/secrets/staged-set.ts';
import { CertificateReader } from '../../src/spiffe/certificate.ts';
import { EMPTY_CONTEXT, type X509Context } from '../../src/spiffe/x509-context.ts';
import { readContext } from '../../src/workload-api/context.ts';
import { HOUR, type Issued, issueAuthority, issueLeaf, NOW } from '../support/certificates.ts';
import { responseWith, svidMessage } from '../support/workload-messages.ts';

const WEB = 'spiffe://example.org/web';
const OTHER = 'spiffe://example.org/other';
const BUNDLE = 'spiffe://example.org';
const ALIASES = { default_svid: 'default', default_bundle: 'ROOTCA', default_all_bundles: '' };

const reader = await CertificateReader.load();
const [oldCa, newCa] = await Promise.all([issueAuthority({ name: 'old' }), issueAuthority({ name: 'new' })]);
const shortLived = await issueAuthority({ name: 'short', notAfter: NOW + HOUR });
const partnerCa = await issueAuthority({ name: 'partner', uris: ['spiffe://partner.test'] });
const [ofOld, ofOldToo, ofNew] = await Promise.all([issueLeaf(oldCa, WEB), issueLeaf(oldCa, WEB), issueLeaf(newCa, WEB)]);

function context(leaf: Issued, bundle: readonly Issued[], id = WEB): X509Context {
  return readContext(responseWith([svidMessage(id, [leaf], bundle)]), reader, NOW).context;
}

const served = context(ofOld, [oldCa]);

describe('the bundle goes first', () => {
  test('when a new SVID is of a CA that peers do not know yet', () => {
    expect(needsBundleFirst(served, context(ofNew, [oldCa, newCa]), NOW)).toBe(true);
  });

  test('when the CA that peers know has expired meanwhile', async () => {
    const before = context(await issueLeaf(shortLived, WEB), [shortLived]);
    const renewed = context(await issueLeaf(shortLived, WEB), [shortLived]);
    expect(needsBundleFirst(before, renewed, NOW + HOUR)).toBe(true);
  });
});

describe('nothing needs to go first', () => {
  test('at the start, when nobody has anything', () => {
    expect(needsBundleFirst(EMPTY_CONTEXT, served, NOW)).toBe(false);
  });

  test('when a new SVID is of the same CA', () => {
    expect(needsBundleFirst(served, context(ofOldToo, [oldCa]), NOW)).toBe(false);
  });

  test('when peers got the new CA before', () => {
    expect(needsBundleFirst(context(ofOld, [oldCa, newCa]), context(ofNew, [newCa]), NOW)).toBe(false);
  });

  test('when only the bundle changes', () => {
    expect(needsBundleFirst(served, context(ofOld, [oldCa, newCa]), NOW)).toBe(false);
  });

  test('when an SVID is of a trust domain that peers know nothing of', async () => {
    const partner = await issueLeaf(partnerCa, 'spiffe://partner.test/web');
    expect(needsBundleFirst(served, context(partner, [partnerCa], 'spiffe://partner.test/web'), NOW)).toBe(false);
  });

  test('when everything is withdrawn', () => {
    expect(needsBundleFirst(served, EMPTY_CONTEXT, NOW)).toBe(false);
  });
});

describe('between the bundle and the certificates', () => {
  const before = createSecretSet(served, ALIASES);
  const after = createSecretSet(context(ofNew, [oldCa, newCa]), ALIASES);
  const staged = stageBundles(before, after);

  test.each([BUNDLE, 'ROOTCA'])('%s is the new one', (name) => {
    expect(staged.get(name, 'spiffe')).toBe(after.get(name, 'spiffe'));
  });

  test.each([WEB, 'default'])('%s is the one that is served', (name) => {
    expect(staged.get(name, 'spiffe')).toBe(before.get(name, 'spiffe'));
  });

  test('a certificate that is wholly new is there: nobody had another', async () => {
    const other = createSecretSet(context(await issueLeaf(newCa, OTHER), [oldCa, newCa], OTHER), ALIASES);
    expect(stageBundles(before, other).get(OTHER, 'spiffe')).toBe(other.get(OTHER, 'spiffe'));
  });

  test('the form that is asked for is the form that is given', () => {
    expect(staged.get(BUNDLE, 'trusted_ca')).toBe(after.get(BUNDLE, 'trusted_ca'));
  });

  test('the names are the new ones', () => {
    expect(staged.names).toEqual(after.names);
  });
});
