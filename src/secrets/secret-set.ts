/** All secrets that can be served now, by name. A value: new trust or another configuration makes a new set. */
import { mistakenFor, type VettedCrls, vetCrls } from '../envoy/crl-choice.ts';
import type { Certificate } from '../spiffe/certificate.ts';
import type { Crl } from '../spiffe/crl.ts';
import { type SpiffeId, type TrustDomain, trustDomainId, trustDomainOf } from '../spiffe/spiffe-id.ts';
import type { X509Bundle, X509Context, X509Svid } from '../spiffe/x509-context.ts';
import { freshnessOf } from './expiry.ts';
import type { Naming, SvidChoice, ValidationPolicy } from './naming.ts';
import { createSecret, type Secret, type SecretContent, type SecretKind, type ValidationForm } from './secret.ts';
import { tlsCertificate } from './tls-certificate.ts';
import type { Trust } from './trust.ts';
import { type Trusted, validationContext } from './validation-context.ts';

export interface SecretSet {
  /** @returns undefined when there is no secret of that name now, or none that can be said in that form. */
  get(name: string, form: ValidationForm): Secret | undefined;
  /** False until the Workload API has said anything. */
  readonly complete: boolean;
  /** Every secret once, by its SPIFFE ID: what a request without names gets. */
  readonly ids: readonly string[];
  /** Every name that can be asked for. */
  readonly names: readonly string[];
  /** What is known of a name without encoding anything. */
  describe(name: string): SecretDescription | undefined;
}

export interface SecretDescription {
  readonly kind: SecretKind;
  /** Whose certificate it is. */
  readonly id?: SpiffeId;
  /** Those that were asked for: several when a validation context is served in several forms. */
  readonly versions: readonly string[];
}

/** Before the Workload API has said anything. */
export const NO_SECRETS: SecretSet = { complete: false, ids: [], names: [], get: () => undefined, describe: () => undefined };

export interface SecretSetOptions {
  /** Milliseconds since the epoch: an SVID or a CRL that has expired is not served. */
  readonly now: number;
  /** DER of a CA whose key nobody has: what is put in the place of a bundle that is gone. Absent: it is not made yet. */
  readonly throwawayAuthority: Uint8Array | undefined;
  /** Hears of each secret that is encoded: when it is first asked for. */
  readonly onEncoded?: (secret: Secret) => void;
}

interface Source {
  readonly kind: SecretKind;
  readonly id?: SpiffeId;
  readonly content: (form: ValidationForm) => SecretContent | undefined;
}

/** A secret is encoded when it is first asked for, once for each name and form. */
export function createSecretSet(trust: Trust, naming: Naming, options: SecretSetOptions): SecretSet {
  const svids = trust.context.svids.map((svid) => (freshnessOf(svid, options.now) === 'expired' ? undefined : svid));
  const valid = svids.filter((svid) => svid !== undefined);
  const validation = validationSources(trust, naming, options);

  const sources = new Map<string, Source>();
  const add = (name: string, source: Source | undefined) => {
    if (name !== '' && source !== undefined && !sources.has(name)) sources.set(name, source);
  };
  const certificates = new Map(valid.map((svid) => [svid, certificateSource(svid)]));
  for (const svid of valid) add(svid.id, certificates.get(svid));
  for (const trustDomain of [...trust.context.bundles.keys(), ...trust.distrusted]) {
    add(trustDomainId(trustDomain), validation({ trust_domains: [trustDomain], match: [] }));
  }
  const ids = [...sources.keys()];
  add(naming.default_svid, svids[0] && certificates.get(svids[0]));
  add(naming.default_bundle, trust.own && validation({ trust_domains: [trust.own], match: [] }));
  add(naming.default_all_bundles, validation({ match: [] }));
  for (const secret of naming.secrets) {
    if ('validation' in secret) add(secret.name, validation(secret.validation));
    else add(secret.name, certificates.get(choose(trust.context.svids, valid, secret.svid) as X509Svid));
  }
  for (const prefix of naming.prefixes) for (const [name, source] of [...sources]) add(`${prefix}${name}`, source);
  return { complete: true, ids, names: [...sources.keys()], ...encoder(sources, options.onEncoded) };
}

/** What of the CRLs is not sent along, and why: by trust domain, and of no trust domain. */
export function crlProblems({ context }: Trust, now: number): ReadonlyMap<TrustDomain | undefined, string> {
  const problems = new Map<TrustDomain | undefined, string>();
  const authorities = [...context.bundles.values()].flatMap((bundle) => bundle.authorities);
  const [stray] = context.crls.filter((crl) => !authorities.some((authority) => crl.isSignedBy(authority)));
  if (stray !== undefined)
    problems.set(undefined, `no authority that may sign CRLs has signed that of ${JSON.stringify(stray.issuer.slice(0, 200))}`);
  for (const bundle of context.bundles.values()) {
    const { problem } = vetCrls(issuersOf(bundle, context), context.crls, now);
    if (problem !== undefined) problems.set(bundle.trustDomain, problem);
  }
  return problems;
}

/** Those that sign what peers show, as far as they are known: other nodes may have intermediates of their own. */
function issuersOf({ trustDomain, authorities }: X509Bundle, { svids }: X509Context): readonly Certificate[] {
  const own = svids.filter(({ id }) => trustDomainOf(id) === trustDomain);
  const intermediates = own.flatMap(({ chain: [, ...rest] }) => rest);
  return [...new Map([...authorities, ...intermediates].map((certificate) => [certificate.fingerprint, certificate])).values()];
}

/** The first with a hint stays the first when it has expired: the next is another identity. */
function choose(svids: readonly X509Svid[], valid: readonly X509Svid[], choice: SvidChoice): X509Svid | undefined {
  if ('hint' in choice) return svids.find(({ hint }) => hint === choice.hint);
  return valid.find(({ id }) => id === choice.spiffe_id);
}

function certificateSource(svid: X509Svid): Source {
  return { kind: 'tls_certificate', id: svid.id, content: () => tlsCertificate(svid) };
}

interface Vetted extends Trusted {
  readonly issuers: readonly Certificate[];
  readonly crls: readonly Crl[];
}

/** Turns a policy into a source; there is none while nothing that it names is trusted, or was. */
function validationSources(
  { context, distrusted }: Trust,
  { crl, unsafe_merge }: Naming,
  { now, throwawayAuthority }: SecretSetOptions,
): (policy: ValidationPolicy) => Source | undefined {
  const trusted = new Map<TrustDomain, Vetted>(
    [...context.bundles.values()].map((bundle) => {
      const [first, ...rest] = bundle.authorities.map(({ der }) => der) as [Uint8Array, ...Uint8Array[]];
      const issuers = issuersOf(bundle, context);
      const { crls }: VettedCrls = crl ? vetCrls(issuers, context.crls, now) : { crls: [] };
      return [bundle.trustDomain, { trustDomain: bundle.trustDomain, authorities: [first, ...rest], issuers, crls }] as const;
    }),
  );
  return ({ trust_domains, mode, match }) => {
    const wanted = [...new Set(trust_domains ?? [...trusted.keys(), ...distrusted])];
    const [first, ...rest] = wanted.map((name) => trusted.get(name)).filter((found) => found !== undefined);
    if (first !== undefined) {
      const content = (form: ValidationForm) => {
        const asked = form === 'legacy' ? form : (mode ?? form);
        if (asked === 'spiffe' || rest.length === 0) return validationContext([first, ...rest], asked, match);
        return unsafe_merge ? validationContext(merged([first, ...rest]), asked, match) : undefined;
      };
      return { kind: 'validation_context', content };
    }
    const gone = wanted.find((name) => distrusted.has(name));
    return gone === undefined || throwawayAuthority === undefined ? undefined : denial(gone, throwawayAuthority);
  };
}

/** Without CRLs where Envoy could take that of one trust domain for that of another. */
function merged(trusted: readonly [Vetted, ...Vetted[]]): readonly [Trusted, ...Trusted[]] {
  const issuers = trusted.flatMap((one) => one.issuers);
  const crls = trusted.flatMap((one) => one.crls);
  if (mistakenFor(issuers, crls) === undefined) return trusted;
  const [first, ...rest] = trusted;
  return [{ ...first, crls: [] }, ...rest];
}

/** In SPIFFE form whatever was asked for: a plain list of CAs would still admit clients that show no certificate. */
function denial(trustDomain: TrustDomain, throwawayAuthority: Uint8Array): Source {
  const nobody: Trusted = { trustDomain, authorities: [throwawayAuthority], crls: [] };
  const content = (form: ValidationForm) => validationContext([nobody], form === 'legacy' ? form : 'spiffe', []);
  return { kind: 'validation_context', content };
}

function encoder(
  sources: ReadonlyMap<string, Source>,
  onEncoded: SecretSetOptions['onEncoded'],
): Pick<SecretSet, 'get' | 'describe'> {
  const encoded: Readonly<Record<ValidationForm, Map<string, Secret | undefined>>> = {
    spiffe: new Map(),
    trusted_ca: new Map(),
    legacy: new Map(),
  };
  const get: SecretSet['get'] = (name, form) => {
    const source = sources.get(name);
    if (source === undefined) return undefined;
    const known = encoded[form];
    if (!known.has(name)) {
      const content = source.content(form);
      const secret = content && createSecret(name, source.kind, content);
      known.set(name, secret);
      if (secret !== undefined) onEncoded?.(secret);
    }
    return known.get(name);
  };
  const describe: SecretSet['describe'] = (name) => {
    const source = sources.get(name);
    if (source === undefined) return undefined;
    const { kind, id } = source;
    const versions = Object.values(encoded).flatMap((known) => known.get(name)?.version ?? []);
    return { kind, ...(id !== undefined && { id }), versions: [...new Set(versions)] };
  };
  return { get, describe };
}
