/** CRLs on their way from the Workload API into validation contexts. */
import { describe, expect, test } from 'vitest';
import { VALIDATION_FORMS } from '../../../src/secrets/secret.ts';
import { NO_TRUST, nextTrust } from '../../../src/secrets/trust.ts';
import { crlProblems } from '../../../src/secrets/validation-sources.ts';
import { BOTH, contextOf, OWN, other, own, PARTNER, partner, setAfter, WEB, web } from '../../support/secrets/federation.ts';
import { policy } from '../../support/secrets/naming.ts';
import { contentOf, revocationsOf, sha256, trustOf } from '../../support/secrets/secret-content.ts';
import { svidMessage } from '../../support/workload-api/workload-messages.ts';
import { concatenated, HOUR, issueAuthority, issueCrl, issueLeaf, NOW } from '../../support/x509/certificates.ts';
import { tlv } from '../../support/x509/der-writer.ts';
import { extension, OID, rawCrl } from '../../support/x509/raw-crl.ts';

const MINUTE = 60_000;
const ownCrl = await issueCrl(own, { nextUpdate: NOW + MINUTE });
const partnerCrl = await issueCrl(partner);
const forged = await issueCrl(await issueAuthority({ name: 'own' }));
const ALL_CRLS = [ownCrl, partnerCrl, await issueCrl(other)];

const setWith = (crls: readonly Uint8Array[], naming = {}, now = NOW) => setAfter([contextOf([web], BOTH, crls)], naming, now);
const problemsWith = (crls: readonly Uint8Array[], now = NOW) =>
  crlProblems(nextTrust(NO_TRUST, contextOf([web], BOTH, crls), now), now);

describe('a CRL goes along', () => {
  test('with the bundle of its trust domain in SPIFFE form', () => {
    expect(revocationsOf(setWith([ownCrl, partnerCrl]).get(PARTNER, 'spiffe'))).toEqual([['partner.test', [sha256(partnerCrl)]]]);
  });

  test.for(['trusted_ca', 'legacy'] as const)('beside the CAs in the form %s, for the leaf only', (form) => {
    const secret = setWith([ownCrl, partnerCrl]).get(PARTNER, form);
    expect([revocationsOf(secret), contentOf(secret).validation_context?.only_verify_leaf_cert_crl]).toEqual([
      [['', [sha256(partnerCrl)]]],
      true,
    ]);
  });

  test('with its trust domain alone where all stand together', () => {
    expect(revocationsOf(setWith([ownCrl, partnerCrl]).get('ALL', 'spiffe'))).toEqual([
      ['example.org', [sha256(ownCrl)]],
      ['partner.test', [sha256(partnerCrl)]],
    ]);
  });

  test('with a policy', () => {
    const secrets = [policy('x', ['partner.test'])];
    expect(revocationsOf(setWith([partnerCrl], { secrets }).get('x', 'spiffe'))).toEqual([
      ['partner.test', [sha256(partnerCrl)]],
    ]);
  });

  test('with the CAs of several trust domains when each has one', () => {
    const secret = setWith(ALL_CRLS, { unsafe_merge: true }).get('ALL', 'trusted_ca');
    expect(revocationsOf(secret)[0]?.[1]).toHaveLength(3);
  });

  test('and gives the context another version, so that Envoys get it', () => {
    expect(setWith([partnerCrl]).get(PARTNER, 'spiffe')?.version).not.toBe(setWith([]).get(PARTNER, 'spiffe')?.version);
  });

  test('and the order in which they come gives it none', () => {
    const versions = [ALL_CRLS, ALL_CRLS.toReversed()].map((crls) => setWith(crls).get('ALL', 'spiffe')?.version);
    expect(versions[1]).toBe(versions[0]);
  });
});

describe('a CRL stays behind, and the CAs go out alone', () => {
  test.for(VALIDATION_FORMS)('when it is forged, in the form %s', (form) => {
    expect(revocationsOf(setWith([forged]).get(OWN, form))).toEqual([]);
  });

  test.for(VALIDATION_FORMS)('when it belongs to another trust domain, in the form %s', (form) => {
    expect(revocationsOf(setWith([partnerCrl]).get(OWN, form))).toEqual([]);
  });

  test('when it expires while it is served', () => {
    const sets = [setWith([ownCrl]), setWith([ownCrl], {}, NOW + MINUTE)];
    expect(sets.map((set) => revocationsOf(set.get(OWN, 'spiffe')).length)).toEqual([1, 0]);
  });

  test.for(['trusted_ca', 'legacy'] as const)(
    'when the CAs of other trust domains beside it in the form %s have none: Envoy would refuse their peers',
    (form) => {
      const secret = setWith([ownCrl], { unsafe_merge: true }).get('ALL', form);
      expect([revocationsOf(secret), contentOf(secret).validation_context?.only_verify_leaf_cert_crl]).toEqual([[], false]);
    },
  );

  test.for([
    ['trusted_ca', []],
    ['spiffe', ['example.org', 'partner.test']],
  ] as const)(
    'when the CA of another trust domain has the same name and Envoy would take one list for the other, but not in the form %s: %j',
    async ([form, expected]) => {
      const namesake = await issueAuthority({ name: 'own' });
      const context = contextOf([web], { [PARTNER]: namesake.der }, [ownCrl, await issueCrl(namesake)]);
      const secret = setAfter([context], { unsafe_merge: true }).get('ALL', form);
      expect(revocationsOf(secret).map(([name]) => name)).toEqual(expected);
    },
  );

  test.for(VALIDATION_FORMS)('when the operator wants none, in the form %s', (form) => {
    const secret = setWith([ownCrl], { crl: false }).get(OWN, form);
    expect([revocationsOf(secret), contentOf(secret).validation_context?.only_verify_leaf_cert_crl]).toEqual([[], false]);
  });

  test('and with the certificate of an SVID there never is one', () => {
    expect(contentOf(setWith(ALL_CRLS).get(WEB, 'spiffe'))).toEqual(contentOf(setWith([]).get(WEB, 'spiffe')));
  });

  test('whatever a federated trust domain puts into its bundle, ours keeps its own', async () => {
    const intruder = await issueAuthority({ name: 'own' });
    const context = contextOf([web], { [PARTNER]: concatenated([partner, own, intruder]) }, [ownCrl, forged, partnerCrl]);
    const set = setAfter([context]);
    expect(revocationsOf(set.get(OWN, 'spiffe'))).toEqual([['example.org', [sha256(ownCrl)]]]);
    expect(trustOf(set.get(OWN, 'spiffe'))).toEqual(trustOf(setWith([]).get(OWN, 'spiffe')));
  });
});

describe('a CRL that stays behind is told', () => {
  test('when it has expired, by its trust domain', () => {
    expect([...problemsWith([ownCrl], NOW + MINUTE)]).toEqual([['example.org', expect.stringContaining('none that is current')]]);
  });

  test.for([
    ['it is forged', [forged]],
    ['it is forged beside a good one', [forged, ownCrl]],
  ] as const)('when %s, by the name that it claims', ([_when, crls]) => {
    expect([...problemsWith(crls)]).toEqual([[undefined, 'no authority that may sign CRLs has signed that of "CN=own"']]);
  });

  test('when its authority key identifier is of another key, by its trust domain', () => {
    const crl = rawCrl(own, { extensions: [extension(OID.authorityKeyId, tlv(0x30, tlv(0x82, [1])))] });
    expect([...problemsWith([crl])]).toEqual([['example.org', expect.stringContaining('authority key identifier')]]);
  });

  test('unless an authority has signed another that is current', async () => {
    const old = await issueCrl(own, { thisUpdate: NOW - 2 * HOUR, nextUpdate: NOW - HOUR });
    expect([...problemsWith([old, ownCrl])]).toEqual([]);
  });

  test('unless there is none', () => {
    expect([...problemsWith([])]).toEqual([]);
  });
});

describe('of a trust domain whose SVIDs come from an intermediate CA', () => {
  const setUp = async () => {
    const intermediate = await issueAuthority({ name: 'intermediate', issuer: own });
    const svid = svidMessage(WEB, [await issueLeaf(intermediate, WEB), intermediate], [own]);
    return { svid, ofIntermediate: await issueCrl(intermediate) };
  };

  test('none goes along without one of the intermediate: its peers would be refused', async () => {
    const { svid } = await setUp();
    const context = contextOf([svid], {}, [ownCrl]);
    expect(revocationsOf(setAfter([context]).get(OWN, 'spiffe'))).toEqual([]);
    expect([...crlProblems(nextTrust(NO_TRUST, context, NOW), NOW).keys()]).toEqual(['example.org']);
  });

  test('those of all CAs go along when each has one', async () => {
    const { svid, ofIntermediate } = await setUp();
    const secret = setAfter([contextOf([svid], {}, [ownCrl, ofIntermediate])]).get(OWN, 'spiffe');
    expect(revocationsOf(secret)[0]?.[1]).toHaveLength(2);
  });
});
