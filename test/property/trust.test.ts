/** Whatever a Workload API does, in whatever order: whom Envoys are told to trust, and with what. */

import { describe, expect, test } from 'vitest';
import type { ValidationPolicy } from '../../src/secrets/naming.ts';
import { type Secret, VALIDATION_FORMS, type ValidationForm } from '../../src/secrets/secret.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { fc } from '../support/properties.ts';
import { contentOf, revocationsOf, type Trust, trustOf } from '../support/secrets/secret-content.ts';
import { SECRETS, steps, TRUST_DOMAINS, UpstreamPlay } from '../support/workload-api/upstream-play.ts';
import { AUTHORITIES, SVIDS } from '../support/workload-api/upstream-pool.ts';

/** Holds after each step of anything that can happen, in every form. */
async function always(numRuns: number, check: (play: UpstreamPlay, form: ValidationForm) => void): Promise<void> {
  const property = fc.asyncProperty(steps, async (sequence) => {
    const play = await UpstreamPlay.start();
    for (const step of sequence) {
      step(play);
      for (const form of VALIDATION_FORMS) check(play, form);
    }
  });
  await fc.assert(property, { numRuns });
}

/** The names of validation contexts, and what each stands for; absent: nothing is known of what it stands for. */
function policies({ own, naming }: UpstreamPlay): ReadonlyMap<string, Partial<ValidationPolicy> | undefined> {
  const domain = (name: string) => ({ trust_domains: [parseTrustDomain(name)] });
  const named = SECRETS.flatMap((secret) => ('validation' in secret ? [[secret.name, secret.validation] as const] : []));
  const all = [
    ...TRUST_DOMAINS.map((name) => [`spiffe://${name}`, domain(name)] as const),
    ['ROOTCA', own === undefined ? undefined : domain(own)] as const,
    ['ALL', {}] as const,
    ...named,
  ];
  return new Map([...all, ...naming.prefixes.flatMap((prefix) => all.map(([name, one]) => [`${prefix}${name}`, one] as const))]);
}

/** Whom a name is to trust; undefined: it is held. */
function expectedTrust(
  play: UpstreamPlay,
  policy: Partial<ValidationPolicy> | undefined,
  form: ValidationForm,
): Trust | undefined {
  if (policy === undefined) return undefined;
  const wanted = (policy.trust_domains ?? TRUST_DOMAINS) as readonly string[];
  const trusted = wanted.flatMap((name) => {
    const cas = play.authorities(name);
    return cas === undefined ? [] : [[name, cas] as const];
  });
  if (trusted.length === 0) {
    if (!wanted.some((name) => play.once.has(name))) return undefined;
    return form === 'legacy' ? { by: 'trusted_ca', cas: ['nobody'] } : { by: 'spiffe', trustDomains: [['', ['nobody']]] };
  }
  const asked = form === 'legacy' ? form : (policy.mode ?? form);
  if (asked === 'spiffe') return { by: 'spiffe', trustDomains: trusted };
  if (trusted.length > 1 && !play.naming.unsafe_merge) return undefined;
  return { by: 'trusted_ca', cas: [...new Set(trusted.flatMap(([, cas]) => cas))].sort(undefined) };
}

/** With CAs in order, and those that are nobody's called so. */
function servedTrust(secret: Secret): Trust {
  const named = (cas: readonly string[]) => cas.map((ca) => (AUTHORITIES.has(ca) ? ca : 'nobody')).sort(undefined);
  const trust = trustOf(secret);
  if (trust.by === 'trusted_ca') return { by: trust.by, cas: named(trust.cas) };
  if (trust.by === 'nothing') return trust;
  const trustDomains = trust.trustDomains.map(([name, cas]) => [named(cas)[0] === 'nobody' ? '' : name, named(cas)] as const);
  return { by: trust.by, trustDomains };
}

describe('whatever upstream does', { timeout: 60_000 }, () => {
  test('no context is ever open: it has either a list of CAs or trust domains, and each of them has CAs', async () => {
    await always(100, ({ set }, form) => {
      for (const name of set.names) {
        const secret = set.get(name, form);
        if (secret?.kind !== 'validation_context') continue;
        const { trusted_ca, custom_validator_config } = contentOf(secret).validation_context ?? {};
        const trust = trustOf(secret);
        const lists =
          trust.by === 'spiffe' ? trust.trustDomains.map(([, cas]) => cas) : trust.by === 'trusted_ca' ? [trust.cas] : [];
        expect([!trusted_ca !== !custom_validator_config, lists.length > 0, lists.some((cas) => cas.length === 0)]).toEqual([
          true,
          true,
          false,
        ]);
      }
    });
  });

  test('every name trusts who upstream says now, each authority for its own trust domain; who is gone gives way to nobody', async () => {
    await always(150, (play, form) => {
      if (!play.set.complete) return;
      for (const [name, policy] of policies(play)) {
        const secret = play.set.get(name, form);
        expect([name, secret && servedTrust(secret)]).toEqual([name, expectedTrust(play, policy, form)]);
      }
    });
  });

  test('CRLs go out only when they are current and signed by an authority beside them, for all of those or for none', async () => {
    await always(100, ({ set, crls, naming }, form) => {
      for (const name of set.names) {
        const secret = set.get(name, form);
        if (secret?.kind !== 'validation_context') continue;
        const trust = trustOf(secret);
        const authorities = new Map(
          trust.by === 'spiffe' ? trust.trustDomains : trust.by === 'trusted_ca' ? [['', trust.cas]] : [],
        );
        for (const [trustDomain, sent] of revocationsOf(secret)) {
          const signers = sent.map((crl) => crls.get(crl));
          expect([naming.crl, new Set(signers)]).toEqual([true, new Set(authorities.get(trustDomain))]);
        }
      }
    });
  });

  test('a certificate is one that upstream gives now and that has not expired', async () => {
    await always(100, ({ set, svids }, form) => {
      for (const { message } of SVIDS) {
        const { spiffe_id } = message;
        const served = set.get(spiffe_id, form);
        const given = svids.get(spiffe_id);
        const chain = served && contentOf(served).tls_certificate?.certificate_chain?.inline_bytes;
        expect([spiffe_id, derOf(chain)]).toEqual([spiffe_id, given && Buffer.from(given.x509_svid).toString('base64')]);
      }
    });
  });
});

/** Of one certificate, base64. */
function derOf(pem: Uint8Array | undefined): string | undefined {
  return (
    pem &&
    Buffer.from(pem)
      .toString()
      .replace(/-----.*-----|\n/g, '')
  );
}
