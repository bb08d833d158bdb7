import { createPrivateKey, X509Certificate } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import type { Naming } from '../../../src/secrets/naming.ts';
import { createSecretSet, type SecretSet } from '../../../src/secrets/secret-set.ts';
import { NO_TRUST, nextTrust } from '../../../src/secrets/trust.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { makeThrowawayAuthority } from '../../../src/spiffe/throwaway-authority.ts';
import { EMPTY_CONTEXT, type X509Context } from '../../../src/spiffe/x509-context.ts';
import { decode } from '../../../src/wire/wire.ts';
import { type LeftOut, readContext } from '../../../src/workload-api/context.ts';
import { type KnownParts, NOTHING_KNOWN } from '../../../src/workload-api/known-parts.ts';
import { NAMING, policy } from '../../support/secrets/naming.ts';
import { contentOf, trustOf } from '../../support/secrets/secret-content.ts';
import { responseWith, svidMessage } from '../../support/workload-api/workload-messages.ts';
import { concatenated, HOUR, type Issued, issueAuthority, issueLeaf, NOW } from '../../support/x509/certificates.ts';

const WEB = 'spiffe://example.org/web';
const API = 'spiffe://example.org/api';
const OWN = 'spiffe://example.org';
const PARTNER = 'spiffe://partner.test';

const reader = new CertificateReader();
const root = await issueAuthority();
const intermediate = await issueAuthority({ name: 'intermediate', issuer: root });
const partner = await issueAuthority({ name: 'partner' });
const webLeaf = await issueLeaf(intermediate, WEB);
const web = svidMessage(WEB, [webLeaf, intermediate], [root]);
const api = svidMessage(API, [await issueLeaf(root, API)], [root]);
/** Another certificate for the same identity. */
const renewed = svidMessage(WEB, [await issueLeaf(root, WEB)], [root]);

const fingerprint = ({ der }: Issued) => reader.readAll(der).certificates[0]?.fingerprint;

/** Of the last message, as the stream of a Workload API has them. */
let parts: KnownParts<LeftOut> = NOTHING_KNOWN;

function contextOf(
  svids = [web, api],
  federated: Readonly<Record<string, Uint8Array>> = { [PARTNER]: partner.der },
): X509Context {
  const read = readContext(responseWith(svids, federated), reader, parts);
  ({ parts } = read);
  return read.context;
}

function setOf(context: X509Context, naming: Naming = NAMING): SecretSet {
  return createSecretSet(nextTrust(NO_TRUST, context, NOW), naming, { now: NOW, throwawayAuthority: makeThrowawayAuthority });
}

const set = setOf(contextOf());

describe('names', () => {
  test('are the SPIFFE IDs of SVIDs and trust domains, and the aliases', () => {
    expect(set.names).toEqual([WEB, API, OWN, PARTNER, 'default', 'ROOTCA', 'ALL']);
  });

  test('without aliases are those of a request for everything', () => {
    expect(set.ids).toEqual([WEB, API, OWN, PARTNER]);
  });

  test('are described by what they are, whose they are and the versions that were asked for', () => {
    const fresh = setOf(contextOf());
    expect(fresh.describe('default')).toEqual({ kind: 'tls_certificate', id: WEB, versions: [] });
    const versions = (['trusted_ca', 'spiffe'] as const).map((form) => fresh.get(OWN, form)?.version);
    expect(fresh.describe(OWN)).toEqual({ kind: 'validation_context', versions: versions.reverse() });
    expect(fresh.describe('nobody')).toBeUndefined();
  });

  test('of aliases that are turned off are not served', () => {
    const off = { ...NAMING, default_svid: '', default_bundle: '', default_all_bundles: '' };
    expect(setOf(contextOf(), off).names).toEqual(set.ids);
  });

  test('of aliases are what the operator calls them', () => {
    const { names } = setOf(contextOf(), { ...NAMING, default_svid: 'mine' });
    expect([names.includes('mine'), names.includes('default')]).toEqual([true, false]);
  });

  test('are none while nothing is entrusted to this workload', () => {
    expect(setOf(EMPTY_CONTEXT).names).toEqual([]);
  });

  test('without an SVID are those of bundles: there is no default', () => {
    expect(setOf(contextOf([])).names).toEqual([PARTNER, 'ALL']);
  });

  test.for(['unknown', 'spiffe://example.org/', 'constructor', '', '__proto__'])(
    'that are not known have no secret: %j',
    (name) => {
      expect(set.get(name, 'spiffe')).toBeUndefined();
    },
  );

  test.for([
    ['default', WEB],
    ['ROOTCA', OWN],
  ] as const)('%s means %s', ([alias, id]) => {
    const { name, ...content } = contentOf(set.get(alias, 'spiffe'));
    expect({ name, content }).toEqual({ name: alias, content: { ...contentOf(set.get(id, 'spiffe')), name: undefined } });
  });

  test('say who they are within the secret, as Envoy demands', () => {
    expect(set.names.map((name) => contentOf(set.get(name, 'spiffe')).name)).toEqual(set.names);
  });

  test('of a SPIFFE ID that comes twice mean the first', async () => {
    const second = svidMessage(WEB, [await issueLeaf(root, WEB)], [root]);
    const twice = setOf(contextOf([web, second]));
    expect([twice.ids, twice.get(WEB, 'spiffe')?.version]).toEqual([[WEB, OWN, PARTNER], set.get(WEB, 'spiffe')?.version]);
  });
});

describe('an SVID', () => {
  const certificate = contentOf(set.get(WEB, 'spiffe')).tls_certificate;
  const pemOf = (source: { readonly inline_bytes?: Uint8Array } | null | undefined) =>
    Buffer.from(source?.inline_bytes ?? []).toString();

  test('is a TLS certificate', () => {
    expect(set.get(WEB, 'spiffe')?.kind).toBe('tls_certificate');
  });

  test('has its whole chain, leaf first, without the root', () => {
    const expected = [webLeaf, intermediate].map(({ der }) => new X509Certificate(der).toString()).join('');
    expect(pemOf(certificate?.certificate_chain)).toBe(expected);
  });

  test('has its key as PKCS#8, as OpenSSL would write it', () => {
    const key = createPrivateKey({ key: webLeaf.privateKey, format: 'der', type: 'pkcs8' });
    expect(pemOf(certificate?.private_key)).toBe(key.export({ type: 'pkcs8', format: 'pem' }));
  });

  test('is the same in both forms', () => {
    expect(set.get(WEB, 'trusted_ca')?.version).toBe(set.get(WEB, 'spiffe')?.version);
  });
});

describe('a validation context', () => {
  test.for([OWN, 'ROOTCA', 'ALL'])('is what %s is', (name) => {
    expect(set.get(name, 'spiffe')?.kind).toBe('validation_context');
  });

  test("of one trust domain says so to Envoy's SPIFFE validator", () => {
    expect(trustOf(set.get(PARTNER, 'spiffe'))).toEqual({
      by: 'spiffe',
      trustDomains: [['partner.test', [fingerprint(partner)]]],
    });
  });

  test('of one trust domain is a list of CAs in the plain form', () => {
    expect(trustOf(set.get(PARTNER, 'trusted_ca'))).toEqual({ by: 'trusted_ca', cas: [fingerprint(partner)] });
  });

  test('of all trust domains keeps each to its own CAs', () => {
    expect(trustOf(set.get('ALL', 'spiffe'))).toEqual({
      by: 'spiffe',
      trustDomains: [
        ['example.org', [fingerprint(root)]],
        ['partner.test', [fingerprint(partner)]],
      ],
    });
  });

  test('of several trust domains does not exist in the plain form, where each CA could speak for all', () => {
    expect(set.get('ALL', 'trusted_ca')).toBeUndefined();
  });

  test('of all trust domains exists in the plain form while there is only one', () => {
    const alone = setOf(contextOf([web], {}));
    expect(trustOf(alone.get('ALL', 'trusted_ca'))).toEqual({ by: 'trusted_ca', cas: [fingerprint(root)] });
  });

  test('has no matchers of its own: repeated in Envoy they would widen what the operator wrote', () => {
    expect(contentOf(set.get('ALL', 'spiffe')).validation_context?.match_typed_subject_alt_names).toEqual([]);
  });
});

describe('an encoded secret', () => {
  test('is encoded once for each name and form', () => {
    expect(set.get('ALL', 'spiffe')).toBe(set.get('ALL', 'spiffe'));
  });

  test('has the type that Envoy expects within and without', () => {
    const { type_url } = decode('google.protobuf.Any', set.get(WEB, 'spiffe')?.any ?? Buffer.alloc(0));
    expect(type_url).toBe('type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret');
  });

  test('keeps its version when another changes', () => {
    const later = setOf(contextOf([{ ...web, hint: 'new' }]));
    expect(later.get(PARTNER, 'spiffe')?.version).toBe(set.get(PARTNER, 'spiffe')?.version);
  });

  test('keeps its version when a bundle lists an authority twice', () => {
    const twice = setOf(contextOf([web], { [PARTNER]: concatenated([partner, partner]) }));
    expect(twice.get(PARTNER, 'spiffe')?.version).toBe(set.get(PARTNER, 'spiffe')?.version);
  });

  test('has another version when its content changes', () => {
    expect(setOf(contextOf([renewed])).get(WEB, 'spiffe')?.version).not.toBe(set.get(WEB, 'spiffe')?.version);
  });

  test('has another version in another form', () => {
    expect(set.get(OWN, 'trusted_ca')?.version).not.toBe(set.get(OWN, 'spiffe')?.version);
  });
});

describe('a set that follows another', () => {
  const following = (context: X509Context, naming: Naming = NAMING, now = NOW) => {
    const encoded: string[] = [];
    const before = setOf(contextOf());
    for (const name of before.names) before.get(name, 'spiffe');
    const set = createSecretSet(nextTrust(NO_TRUST, context, now), naming, {
      now,
      throwawayAuthority: makeThrowawayAuthority,
      before,
      onEncoded: ({ name }) => void encoded.push(name),
    });
    for (const name of set.names) set.get(name, 'spiffe');
    return { before, set, encoded };
  };

  test('encodes nothing anew when it is made of the same', () => {
    const { before, set, encoded } = following(contextOf());
    expect(encoded).toEqual([]);
    expect(set.get('ALL', 'spiffe')).toBe(before.get('ALL', 'spiffe'));
  });

  test('encodes what a rotation changed, and nothing else', () => {
    const { before, set, encoded } = following(contextOf([renewed, api]));
    expect(encoded).toEqual([WEB, 'default']);
    expect(set.get(WEB, 'spiffe')?.version).not.toBe(before.get(WEB, 'spiffe')?.version);
  });

  test('encodes what another bundle changed, and nothing else', () => {
    expect(following(contextOf([web, api], { [PARTNER]: concatenated([partner, root]) })).encoded).toEqual([PARTNER, 'ALL']);
  });

  test('encodes anew what a policy says otherwise', () => {
    const partners = (prefix: string): Naming => ({
      ...NAMING,
      secrets: [policy('ps', ['partner.test'], { match: [{ prefix }] })],
    });
    const first = createSecretSet(nextTrust(NO_TRUST, contextOf(), NOW), partners('a'), {
      now: NOW,
      throwawayAuthority: makeThrowawayAuthority,
    });
    const version = first.get('ps', 'spiffe')?.version;
    const second = createSecretSet(nextTrust(NO_TRUST, contextOf(), NOW), partners('b'), {
      now: NOW,
      throwawayAuthority: makeThrowawayAuthority,
      before: first,
    });
    expect(second.get('ps', 'spiffe')?.version).not.toBe(version);
  });

  test('serves a certificate no longer than it is valid, though it was encoded before', () => {
    expect(following(contextOf(), NAMING, NOW + 24 * HOUR).set.get(WEB, 'spiffe')).toBeUndefined();
  });

  test('knows the versions that were asked for before, as far as they are served still', () => {
    const { set, before } = following(contextOf([renewed, api]));
    expect(set.describe(API)?.versions).toEqual([before.get(API, 'spiffe')?.version]);
    expect(set.describe(WEB)?.versions).not.toContain(before.get(WEB, 'spiffe')?.version);
  });

  test('does not keep the set before it, nor its keys, in memory', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage: () => void = runInNewContext('gc');
    const options = { now: NOW, throwawayAuthority: makeThrowawayAuthority, onEncoded: () => undefined };
    const { set, gone } = (() => {
      const context = contextOf();
      const before = createSecretSet(nextTrust(NO_TRUST, context, NOW), NAMING, options);
      const after = createSecretSet(nextTrust(NO_TRUST, contextOf([renewed, api]), NOW), NAMING, { ...options, before });
      return { set: after, gone: [new WeakRef(before), new WeakRef(context.svids[0]?.privateKey as Uint8Array)] };
    })();
    await new Promise(setImmediate);
    collectGarbage();
    expect(gone.map((one) => one.deref())).toEqual([undefined, undefined]);
    expect(set.get(WEB, 'spiffe')).toBeDefined();
  });
});
