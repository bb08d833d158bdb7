/** A CA roll in two steps: which secrets are served between them. */
import { describe, expect, test } from 'vitest';
import { NO_SECRETS } from '../../../src/secrets/secret-set.ts';
import { needsBundleFirst, stageBundles } from '../../../src/secrets/staged-set.ts';
import { EMPTY_CONTEXT } from '../../../src/spiffe/x509-context.ts';
import { API, api, contextOf, OWN, own, setAfter, WEB, web } from '../../support/secrets/federation.ts';
import { svidMessage } from '../../support/workload-api/workload-messages.ts';
import { HOUR, issueAuthority, issueLeaf, NOW } from '../../support/x509/certificates.ts';

const successor = await issueAuthority({ name: 'successor' });
const renewed = svidMessage(WEB, [await issueLeaf(own, WEB)], [own]);
const rolled = svidMessage(WEB, [await issueLeaf(successor, WEB)], [own, successor]);
const before = contextOf([web]);

describe('the bundle goes first', () => {
  test.for([
    ['when a new authority has signed a new SVID', before, contextOf([rolled]), true],
    ['not when the authority is known', before, contextOf([renewed]), false],
    ['not when the SVID is the same', before, contextOf([{ ...web, bundle: rolled.bundle }]), false],
    ['not when there was no bundle before', EMPTY_CONTEXT, contextOf([rolled]), false],
    ['not when an SVID goes', contextOf([web, api]), before, false],
  ] as const)('%s', ([_when, old, now, first]) => {
    expect(needsBundleFirst(old, now, NOW)).toBe(first);
  });

  test('when the old bundle has expired meanwhile', () => {
    expect(needsBundleFirst(before, contextOf([renewed]), NOW + HOUR)).toBe(true);
  });
});

describe('meanwhile', () => {
  const served = setAfter([contextOf([web, api])]);
  const newest = setAfter([contextOf([web, api]), contextOf([rolled])]);
  const staged = stageBundles(served, newest);
  const versionsOf = (name: string) => [staged, served, newest].map((set) => set.get(name, 'spiffe')?.version);

  test('the bundle is the new one', () => {
    const [now, , next] = versionsOf(OWN);
    expect(now).toBe(next);
  });

  test('the certificate is the old one', () => {
    const [now, old] = versionsOf(WEB);
    expect(now).toBe(old);
  });

  test('a certificate that was withdrawn is not there any more', () => {
    expect(staged.get(API, 'spiffe')).toBeUndefined();
  });

  test('a certificate that was not there before is the new one', () => {
    expect(stageBundles(NO_SECRETS, newest).get(WEB, 'spiffe')).toBe(newest.get(WEB, 'spiffe'));
  });

  test('a name that stood for a bundle and stands for a certificate now is what it is now', () => {
    const renamed = setAfter([contextOf([rolled])], { default_svid: 'ROOTCA', default_bundle: '' });
    expect(stageBundles(served, renamed).get('ROOTCA', 'spiffe')).toBe(renamed.get('ROOTCA', 'spiffe'));
  });
});
