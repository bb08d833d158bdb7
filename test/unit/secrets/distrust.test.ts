/** What is served under a name once nobody behind it is trusted any more: Envoy keeps a bundle until it gets another. */
import { describe, expect, test } from 'vitest';
import type { Naming } from '../../../src/secrets/naming.ts';
import { EMPTY_CONTEXT } from '../../../src/spiffe/x509-context.ts';
import {
  BOTH,
  contextOf,
  fingerprintOf,
  NOBODY,
  OTHER,
  OWN,
  other,
  PARTNER,
  partner,
  setAfter,
  WEB,
  web,
} from '../../support/secrets/federation.ts';
import { policy } from '../../support/secrets/naming.ts';
import { contentOf, revocationsOf, trustOf } from '../../support/secrets/secret-content.ts';

const federated = contextOf([web], BOTH);
const PARTNERS: Partial<Naming> = { secrets: [policy('partners', ['partner.test', 'other.test'])] };
const denyAll = (trustDomain: string) => ({ by: 'spiffe', trustDomains: [[trustDomain, [NOBODY]]] });

describe('after everything was withdrawn', () => {
  const denied = setAfter([federated, EMPTY_CONTEXT], PARTNERS);

  test.for([
    [OWN, 'example.org'],
    [PARTNER, 'partner.test'],
    ['ROOTCA', 'example.org'],
    ['ALL', 'example.org'],
    ['partners', 'partner.test'],
  ] as const)('%s trusts a CA alone whose key nobody has', ([name, trustDomain]) => {
    expect(trustOf(denied.get(name, 'spiffe'))).toEqual(denyAll(trustDomain));
  });

  test.for([OWN, PARTNER, 'ROOTCA', 'ALL', 'partners'])(
    '%s does so in SPIFFE form to who asks for the plain one, which would admit clients without a certificate',
    (name) => {
      expect(trustOf(denied.get(name, 'trusted_ca'))).toEqual(trustOf(denied.get(name, 'spiffe')));
    },
  );

  test.for([OWN, PARTNER, 'ROOTCA', 'ALL', 'partners'])('%s does so in plain form to Envoys without SPIFFE validator', (name) => {
    expect(trustOf(denied.get(name, 'legacy'))).toEqual({ by: 'trusted_ca', cas: [NOBODY] });
  });

  test('no certificate is served', () => {
    expect([WEB, 'default'].map((name) => denied.get(name, 'spiffe'))).toEqual([undefined, undefined]);
  });

  test('a request for everything gets the replacements, not nothing', () => {
    expect([...denied.ids].sort()).toEqual([OWN, OTHER, PARTNER].sort());
  });

  test('a policy that asks for the plain form gets the SPIFFE form all the same', () => {
    const plain = { secrets: [policy('partners', ['partner.test'], { mode: 'trusted_ca' })] };
    expect(trustOf(setAfter([federated, EMPTY_CONTEXT], plain).get('partners', 'trusted_ca'))).toEqual(denyAll('partner.test'));
  });

  test('a policy has no matchers any more, and no CRLs', () => {
    const matching = { secrets: [policy('partners', ['partner.test'], { match: [{ prefix: PARTNER }] })] };
    const secret = setAfter([federated, EMPTY_CONTEXT], matching).get('partners', 'spiffe');
    expect([contentOf(secret).validation_context?.match_typed_subject_alt_names, revocationsOf(secret)]).toEqual([[], []]);
  });
});

describe('after one of several bundles has disappeared', () => {
  const left = setAfter([federated, contextOf([web], { [OTHER]: other.der })], PARTNERS);

  test('its own name trusts nobody', () => {
    expect(trustOf(left.get(PARTNER, 'spiffe'))).toEqual(denyAll('partner.test'));
  });

  test('the name of all trusts the others', () => {
    const trust = trustOf(left.get('ALL', 'spiffe'));
    expect(trust.by === 'spiffe' && trust.trustDomains.map(([name]) => name)).toEqual(['example.org', 'other.test']);
  });

  test('a policy with others in it trusts those', () => {
    expect(trustOf(left.get('partners', 'spiffe'))).toEqual({
      by: 'spiffe',
      trustDomains: [['other.test', [fingerprintOf(other)]]],
    });
  });

  test('certificates and the own bundle are as they were', () => {
    const before = setAfter([federated], PARTNERS);
    const versions = [before, left].map((set) => [WEB, 'default', OWN, 'ROOTCA'].map((name) => set.get(name, 'spiffe')?.version));
    expect(versions[1]).toEqual(versions[0]);
  });
});

describe('a bundle that comes back', () => {
  test('is served again', () => {
    const back = setAfter([federated, EMPTY_CONTEXT, federated]);
    expect(trustOf(back.get(PARTNER, 'spiffe'))).toEqual({
      by: 'spiffe',
      trustDomains: [['partner.test', [fingerprintOf(partner)]]],
    });
  });
});

test('a trust domain that never was trusted has no replacement: Envoy has nothing of it', () => {
  expect(setAfter([contextOf([web]), EMPTY_CONTEXT]).get(PARTNER, 'spiffe')).toBeUndefined();
});
