import { describe, expect, test } from 'vitest';
import type { Naming } from '../../src/secrets/naming.ts';
import type { ValidationForm } from '../../src/secrets/secret.ts';
import { createSecretSet, type SecretSet } from '../../src/secrets/secret-set.ts';
import { NO_TRUST, nextTrust } from '../../src/secrets/trust.ts';
import { CertificateReader } from '../../src/spiffe/certificate-reader.ts';
import { parseSpiffeId, parseTrustDomain, trustDomainOf } from '../../src/spiffe/spiffe-id.ts';
import { makeThrowawayAuthority } from '../../src/spiffe/throwaway-authority.ts';
import type { Certificate } from '../../src/spiffe/x509/certificate.ts';
import type { X509Bundle, X509Context, X509Svid } from '../../src/spiffe/x509-context.ts';
import { fc } from '../support/properties.ts';
import { NAMING } from '../support/secrets/naming.ts';
import { contentOf, trustOf } from '../support/secrets/secret-content.ts';
import { issueAuthority, NOW } from '../support/x509/certificates.ts';

const FORMS: readonly ValidationForm[] = ['spiffe', 'trusted_ca', 'legacy'];

const reader = new CertificateReader();
const pool = await Promise.all(
  Array.from({ length: 5 }, async () => reader.readAll((await issueAuthority()).der).certificates[0] as Certificate),
);

const trustDomain = fc.constantFrom('a.test', 'b.test', 'c.test', '1', '-').map(parseTrustDomain);
const certificates = fc
  .uniqueArray(fc.constantFrom(...pool), { minLength: 1, selector: ({ fingerprint }) => fingerprint })
  .map((list) => list as [Certificate, ...Certificate[]]);
const bundle: fc.Arbitrary<X509Bundle> = fc.record({ trustDomain, authorities: certificates });
const svid: fc.Arbitrary<X509Svid> = fc.record({
  id: fc.tuple(trustDomain, fc.constantFrom('/x', '/y')).map(([domain, path]) => parseSpiffeId(`spiffe://${domain}${path}`)),
  hint: fc.string(),
  chain: certificates,
  authorities: fc.constant(pool as [Certificate, ...Certificate[]]),
  privateKey: fc.uint8Array({ minLength: 1, maxLength: 200 }),
});
const bundles = fc.uniqueArray(bundle, { selector: (one) => one.trustDomain });
const context: fc.Arbitrary<X509Context> = fc
  .record({ svids: fc.array(svid, { maxLength: 4 }), bundles })
  .map(({ svids, bundles }) => ({ svids, bundles: new Map(bundles.map((one) => [one.trustDomain, one])), crls: [] }));

function setOf(context: X509Context, naming: Naming = NAMING): SecretSet {
  return createSecretSet(nextTrust(NO_TRUST, context, NOW), naming, { now: NOW, throwawayAuthority: makeThrowawayAuthority });
}

function versions(set: SecretSet): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(FORMS.flatMap((form) => set.names.map((name) => [`${name} ${form}`, set.get(name, form)?.version])));
}

describe('of any context', () => {
  test('every validation context trusts somebody, and nobody beyond the bundle of a trust domain', () => {
    fc.assert(
      fc.property(context, fc.constantFrom(...FORMS), (context, form) => {
        const set = setOf(context);
        const inBundle = ([name, cas]: readonly [string, readonly string[]]) =>
          cas.length > 0 &&
          cas.every((ca) =>
            context.bundles.get(parseTrustDomain(name))?.authorities.some(({ fingerprint }) => fingerprint === ca),
          );
        const secrets = set.names.map((name) => set.get(name, form)).filter((secret) => secret?.kind === 'validation_context');
        const safe = secrets.map(trustOf).every((trust) => {
          if (trust.by === 'spiffe') return trust.trustDomains.length > 0 && trust.trustDomains.every(inBundle);
          return trust.by === 'trusted_ca' && [...context.bundles.keys()].some((name) => inBundle([name, trust.cas]));
        });
        expect(safe).toBe(true);
      }),
    );
  });

  test('no trust domain is there twice, for Envoy would refuse the whole context', () => {
    fc.assert(
      fc.property(context, (context) => {
        const all = setOf(context).get('ALL', 'spiffe');
        const trust = all && trustOf(all);
        const names = trust?.by === 'spiffe' ? trust.trustDomains.map(([name]) => name) : [];
        expect(names).toEqual([...context.bundles.keys()].sort());
      }),
    );
  });

  test('a name has one kind, and holds nothing of the other', () => {
    fc.assert(
      fc.property(context, fc.constantFrom(...FORMS), (context, form) => {
        const set = setOf(context);
        const secrets = set.names.map((name) => set.get(name, form)).filter((secret) => secret !== undefined);
        for (const secret of secrets) {
          const { name, ...content } = contentOf(secret);
          expect([name, Object.keys(content)]).toEqual([secret.name, [secret.kind]]);
        }
      }),
    );
  });

  test('every SVID has a TLS certificate with a chain and a key', () => {
    fc.assert(
      fc.property(context, (context) => {
        const set = setOf(context);
        const sizes = context.svids.map(({ id }) => {
          const certificate = contentOf(set.get(id, 'spiffe')).tls_certificate;
          return Math.min(
            certificate?.certificate_chain?.inline_bytes?.length ?? 0,
            certificate?.private_key?.inline_bytes?.length ?? 0,
          );
        });
        expect(sizes.every((size) => size > 0)).toBe(true);
      }),
    );
  });
});

describe('versions', () => {
  test('are the same for the same context, on every replica', () => {
    fc.assert(
      fc.property(context, (context) => {
        const replica = { ...context, svids: [...context.svids], bundles: new Map(context.bundles) };
        expect(versions(setOf(replica))).toEqual(versions(setOf(context)));
      }),
    );
  });

  test('do not depend on the order of bundles, nor on that of the authorities in one', () => {
    fc.assert(
      fc.property(context, (context) => {
        const reversed = [...context.bundles.values()]
          .reverse()
          .map(
            (one) =>
              [
                one.trustDomain,
                { ...one, authorities: one.authorities.toReversed() as [Certificate, ...Certificate[]] },
              ] as const,
          );
        const replica = { ...context, bundles: new Map(reversed) };
        expect(versions(setOf(replica))).toEqual(versions(setOf(context)));
      }),
    );
  });

  test('change with the bundle of a trust domain there, and nowhere else but under the name of all', () => {
    fc.assert(
      fc.property(context, bundle, (before, changed) => {
        const after = { ...before, bundles: new Map(before.bundles).set(changed.trustDomain, changed) };
        const [old, now] = [before, after].map((context) => versions(setOf(context, { ...NAMING, default_all_bundles: '' })));
        const own = before.svids[0] && trustDomainOf(before.svids[0].id) === changed.trustDomain ? ['ROOTCA'] : [];
        const touched = [`spiffe://${changed.trustDomain}`, ...own].flatMap((name) => FORMS.map((form) => `${name} ${form}`));
        const rest = (all = {}) => Object.fromEntries(Object.entries(all).filter(([name]) => !touched.includes(name)));
        expect(rest(now)).toEqual(rest(old));
      }),
    );
  });
});
