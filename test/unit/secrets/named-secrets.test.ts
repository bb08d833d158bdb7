/** The names that the operator gives: validation policies, and identities by SPIFFE ID and by hint. */
import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { NamedSecret } from '../../../src/secrets/naming.ts';
import { VALIDATION_FORMS } from '../../../src/secrets/secret.ts';
import type { SecretSet } from '../../../src/secrets/secret-set.ts';
import {
  API,
  api,
  BOTH,
  contextOf,
  fingerprintOf,
  other,
  own,
  partner,
  setAfter,
  WEB,
  web,
} from '../../support/secrets/federation.ts';
import { identity, policy } from '../../support/secrets/naming.ts';
import { contentOf, trustOf } from '../../support/secrets/secret-content.ts';
import { svidMessage } from '../../support/workload-api/workload-messages.ts';
import { HOUR, issueLeaf, NOW } from '../../support/x509/certificates.ts';

const federated = contextOf([web, api], BOTH);
const setWith = (...secrets: readonly NamedSecret[]) => setAfter([federated], { secrets });
const PARTNERS = ['partner.test', 'other.test'];

describe('a policy', () => {
  test('trusts the trust domains that it names, each under its own name', () => {
    expect(trustOf(setWith(policy('x', PARTNERS)).get('x', 'spiffe'))).toEqual({
      by: 'spiffe',
      trustDomains: [
        ['other.test', [fingerprintOf(other)]],
        ['partner.test', [fingerprintOf(partner)]],
      ],
    });
  });

  test('that names none trusts all', () => {
    const set = setWith(policy('x', undefined));
    expect(trustOf(set.get('x', 'spiffe'))).toEqual(trustOf(set.get('ALL', 'spiffe')));
  });

  test('trusts of what it names what there is, and leaves out what is unknown', () => {
    expect(trustOf(setWith(policy('x', ['unknown.test', 'partner.test'])).get('x', 'spiffe'))).toEqual({
      by: 'spiffe',
      trustDomains: [['partner.test', [fingerprintOf(partner)]]],
    });
  });

  test.for(VALIDATION_FORMS)('that names only what is unknown is held in the form %s, and never trusts everybody', (form) => {
    const set = setWith(policy('x', ['unknown.test']));
    expect([set.names.includes('x'), set.get('x', form)]).toEqual([false, undefined]);
  });

  test('that names one trust domain twice has it once: Envoy would refuse the whole context', () => {
    expect(trustOf(setWith(policy('x', ['partner.test', 'partner.test'])).get('x', 'spiffe'))).toEqual({
      by: 'spiffe',
      trustDomains: [['partner.test', [fingerprintOf(partner)]]],
    });
  });

  test.for([
    ['spiffe', 'trusted_ca', 'spiffe'],
    ['spiffe', 'legacy', 'trusted_ca'],
    ['trusted_ca', 'spiffe', 'trusted_ca'],
    [undefined, 'trusted_ca', 'trusted_ca'],
    [undefined, 'spiffe', 'spiffe'],
  ] as const)('of mode %s is to an Envoy of the form %s one by %s', ([mode, form, by]) => {
    expect(trustOf(setWith(policy('x', ['partner.test'], { mode })).get('x', form)).by).toBe(by);
  });

  test.for(['trusted_ca', 'legacy'] as const)(
    'of several trust domains is held in the form %s, where each CA could speak for all',
    (form) => {
      expect(setWith(policy('x', PARTNERS)).get('x', form)).toBeUndefined();
    },
  );

  test.for(['trusted_ca', 'legacy'] as const)('of several trust domains merges them in the form %s when told to', (form) => {
    const set = setAfter([federated], { secrets: [policy('x', PARTNERS)], unsafe_merge: true });
    const trust = trustOf(set.get('x', form));
    expect(trust.by === 'trusted_ca' && new Set(trust.cas)).toEqual(new Set([other, partner].map(fingerprintOf)));
  });

  test('does not merge in SPIFFE form, whatever it is told', () => {
    const set = setAfter([federated], { secrets: [policy('x', PARTNERS)], unsafe_merge: true });
    expect(trustOf(set.get('x', 'spiffe'))).toEqual(trustOf(setWith(policy('x', PARTNERS)).get('x', 'spiffe')));
  });

  test.for(VALIDATION_FORMS)('brings its matchers along in the form %s', (form) => {
    const match = [{ prefix: 'spiffe://partner.test/api/' }];
    const context = contentOf(setWith(policy('x', ['partner.test'], { match })).get('x', form)).validation_context;
    expect(context?.match_typed_subject_alt_names).toEqual([
      expect.objectContaining({ san_type: 3, matcher: expect.objectContaining({ prefix: 'spiffe://partner.test/api/' }) }),
    ]);
  });

  test('leaves the names of its trust domains without matchers', () => {
    const set = setWith(policy('x', ['partner.test'], { match: [{ exact: WEB }] }));
    expect(contentOf(set.get('spiffe://partner.test', 'spiffe')).validation_context?.match_typed_subject_alt_names).toEqual([]);
  });
});

const nameIn = (set: SecretSet, name: string) =>
  new X509Certificate(contentOf(set.get(name, 'spiffe')).tls_certificate?.certificate_chain?.inline_bytes ?? '').subjectAltName;

describe('an identity', () => {
  const hinted = contextOf([web, { ...api, hint: 'internal' }]);

  test('by SPIFFE ID is that one, wherever it stands', () => {
    expect(nameIn(setAfter([hinted], { secrets: [identity('mine', { spiffe_id: API })] }), 'mine')).toBe(`URI:${API}`);
  });

  test('by hint is the one with that hint', () => {
    expect(nameIn(setAfter([hinted], { secrets: [identity('mine', { hint: 'internal' })] }), 'mine')).toBe(`URI:${API}`);
  });

  test('by a hint that several have is the first of them', () => {
    const both = contextOf([
      { ...api, hint: 'internal' },
      { ...web, hint: 'internal' },
    ]);
    expect(nameIn(setAfter([both], { secrets: [identity('mine', { hint: 'internal' })] }), 'mine')).toBe(`URI:${API}`);
  });

  test.for([{ hint: 'unknown' }, { hint: 'Internal' }, { spiffe_id: 'spiffe://example.org/none' }])(
    'that there is not is held: %j',
    (choice) => {
      const set = setAfter([hinted], { secrets: [identity('mine', choice)] });
      expect([set.names.includes('mine'), set.get('mine', 'spiffe')]).toEqual([false, undefined]);
    },
  );

  test('that is gone is held', () => {
    const set = setAfter([hinted, contextOf([web])], { secrets: [identity('mine', { hint: 'internal' })] });
    expect(set.get('mine', 'spiffe')).toBeUndefined();
  });

  test('by default is the first, and follows when another becomes first', () => {
    const sets = [setAfter([contextOf([web, api])]), setAfter([contextOf([web, api]), contextOf([api, web])])];
    expect(sets.map((set) => nameIn(set, 'default'))).toEqual([`URI:${WEB}`, `URI:${API}`]);
  });
});

describe('an identity that has expired', () => {
  const LATER = NOW + HOUR;
  const choices = { secrets: [identity('mine', { hint: 'internal' })] };

  test('is not served under any name, while one that has not is', async () => {
    const fresh = svidMessage(API, [await issueLeaf(own, API, { notAfter: LATER + HOUR })], [own]);
    const set = setAfter([contextOf([{ ...web, hint: 'internal' }, fresh])], choices, LATER);
    const served = [WEB, 'default', 'mine', API].map((name) => set.get(name, 'spiffe') !== undefined);
    expect(served).toEqual([false, false, false, true]);
  });

  test('does not hand its hint to the next, which is another identity', async () => {
    const fresh = svidMessage(API, [await issueLeaf(own, API, { notAfter: LATER + HOUR })], [own], { hint: 'internal' });
    const set = setAfter([contextOf([{ ...web, hint: 'internal' }, fresh])], choices, LATER);
    expect(set.get('mine', 'spiffe')).toBeUndefined();
  });

  test('leaves its bundle where it is: peers may still be verified', () => {
    const set = setAfter([contextOf([web])], {}, LATER);
    expect(trustOf(set.get('ROOTCA', 'spiffe'))).toEqual({
      by: 'spiffe',
      trustDomains: [['example.org', [fingerprintOf(own)]]],
    });
  });
});

describe('a prefix', () => {
  const prefixed = setAfter([federated], { prefixes: ['sds://'], secrets: [identity('mine', { spiffe_id: API })] });

  test.for(['default', 'ROOTCA', 'ALL', 'mine', WEB, 'spiffe://partner.test'])(
    'serves %s under its prefixed name, too',
    (name) => {
      const { name: called, ...content } = contentOf(prefixed.get(`sds://${name}`, 'spiffe'));
      const { name: _, ...plain } = contentOf(prefixed.get(name, 'spiffe'));
      expect([called, content]).toEqual([`sds://${name}`, plain]);
    },
  );

  test('adds nothing to a request for everything', () => {
    expect(prefixed.ids).toEqual(setAfter([federated]).ids);
  });

  test('alone is no name', () => {
    expect(prefixed.get('sds://', 'spiffe')).toBeUndefined();
  });

  test('serves what is distrusted, too', () => {
    const denied = setAfter([federated, contextOf([web])], { prefixes: ['sds://'] });
    expect(trustOf(denied.get('sds://spiffe://partner.test', 'spiffe'))).toEqual(
      trustOf(denied.get('spiffe://partner.test', 'spiffe')),
    );
  });
});
