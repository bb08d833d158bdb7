import { describe, expect, test } from 'vitest';
import { NO_TRUST, nextTrust, type Trust } from '../../../src/secrets/trust.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { EMPTY_CONTEXT, type X509Context } from '../../../src/spiffe/x509-context.ts';
import { readContext } from '../../../src/workload-api/context.ts';
import { responseWith, svidMessage } from '../../support/workload-api/workload-messages.ts';
import { issueAuthority, issueLeaf, NOW } from '../../support/x509/certificates.ts';

const reader = new CertificateReader();
const authority = await issueAuthority();
const messages = new Map(
  await Promise.all(
    ['example.org', 'other.test'].map(async (trustDomain) => {
      const id = `spiffe://${trustDomain}/web`;
      return [trustDomain, svidMessage(id, [await issueLeaf(authority, id)], [authority])] as const;
    }),
  ),
);

/** @param own trust domains of SVIDs; @param federated those of bundles beside them */
function contextOf(own: readonly string[], federated: readonly string[] = []): X509Context {
  const svids = own.map((name) => messages.get(name)).filter((message) => message !== undefined);
  const bundles = Object.fromEntries(federated.map((name) => [name, authority.der]));
  return readContext(responseWith(svids, bundles), reader).context;
}

/** After one context upon the other. */
function trustAfter(...contexts: readonly X509Context[]): Trust {
  return contexts.reduce((trust, context) => nextTrust(trust, context, NOW), NO_TRUST);
}

describe('the own trust domain', () => {
  test('is that of the first SVID', () => {
    expect(trustAfter(contextOf(['other.test', 'example.org'])).own).toBe('other.test');
  });

  test('follows the first SVID when another becomes first', () => {
    expect(trustAfter(contextOf(['example.org']), contextOf(['other.test', 'example.org'])).own).toBe('other.test');
  });

  test('stays what it was when every SVID is withdrawn: its bundle is what Envoys hold', () => {
    expect(trustAfter(contextOf(['example.org']), EMPTY_CONTEXT).own).toBe('example.org');
  });

  test('is not known before there was an SVID', () => {
    expect(trustAfter(contextOf([], ['partner.test'])).own).toBeUndefined();
  });
});

describe('a trust domain is distrusted', () => {
  test('when its bundle is gone', () => {
    expect([...trustAfter(contextOf(['example.org'], ['partner.test']), contextOf(['example.org'])).distrusted]).toEqual([
      'partner.test',
    ]);
  });

  test('for as long as it does not come back, whatever else happens', () => {
    const history = [contextOf([], ['partner.test']), EMPTY_CONTEXT, contextOf(['example.org']), contextOf(['example.org'])];
    expect([...trustAfter(...history).distrusted]).toEqual(['partner.test']);
  });

  test('together with all others when nothing is left', () => {
    expect([...trustAfter(contextOf(['example.org'], ['partner.test']), EMPTY_CONTEXT).distrusted].sort()).toEqual([
      'example.org',
      'partner.test',
    ]);
  });

  test('no more once its bundle is there again', () => {
    expect([...trustAfter(contextOf([], ['partner.test']), EMPTY_CONTEXT, contextOf([], ['partner.test'])).distrusted]).toEqual(
      [],
    );
  });

  test('never when it was not trusted before', () => {
    expect([...trustAfter(EMPTY_CONTEXT, contextOf(['example.org'])).distrusted]).toEqual([]);
  });
});
