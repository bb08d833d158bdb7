/** Makes validation contexts from policies: which trust domains a policy trusts, with which authorities and CRLs. */
import { createHash } from 'node:crypto';
import { sentAuthorities } from '../envoy/authorities.ts';
import { mistakenFor, vetCrls } from '../envoy/crl-choice.ts';
import type { Crl } from '../spiffe/crl/crl.ts';
import { type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';
import type { Certificate } from '../spiffe/x509/certificate.ts';
import type { X509Bundle } from '../spiffe/x509-context.ts';
import type { SecretSource } from './encodings.ts';
import { identitiesOf } from './identities.ts';
import type { Naming, ValidationPolicy } from './naming.ts';
import type { SecretContent, ValidationForm } from './secret.ts';
import type { Trust } from './trust.ts';
import { type Trusted, validationContext } from './validation-context.ts';

/** The source of every validation context for one trust and configuration. */
export interface ValidationSources {
  /** Undefined when no trust domain of the policy is trusted or was trusted earlier. */
  of(policy: ValidationPolicy): SecretSource | undefined;
  /** A hash of the authorities and CRLs that are sent for a trust domain; undefined when it is not trusted. */
  contentOf(trustDomain: string): string | undefined;
}

export interface ValidationSourcesOptions {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Returns a CA certificate (DER) whose key nobody has, always the same one. Called when a client requests a withdrawn bundle. */
  readonly throwawayAuthority: () => Uint8Array;
}

interface Vetted extends Trusted {
  readonly issuers: readonly Certificate[];
  readonly crls: readonly Crl[];
}

/** Selects the authorities and CRLs that are valid now, for each trust domain. */
export function validationSources(
  trust: Trust,
  { crl, unsafe_merge }: Naming,
  { now, throwawayAuthority }: ValidationSourcesOptions,
): ValidationSources {
  const { context, distrusted } = trust;
  const wantsCrls = crl && context.crls.length > 0;
  const intermediates = wantsCrls ? intermediatesOf(trust, now) : NO_INTERMEDIATES;
  const trusted = new Map<TrustDomain, Vetted>(
    [...context.bundles.values()].map((bundle) => {
      const [first, ...rest] = sentAuthorities(bundle.authorities, now).map(({ der }) => der) as [Uint8Array, ...Uint8Array[]];
      const issuers = wantsCrls ? issuersOf(bundle, intermediates, now) : [];
      const { crls } = wantsCrls ? vetCrls(issuers, context.crls, now) : { crls: [] };
      return [bundle.trustDomain, { trustDomain: bundle.trustDomain, authorities: [first, ...rest], issuers, crls }] as const;
    }),
  );
  const of: ValidationSources['of'] = ({ trust_domains, mode, match }) => {
    const wanted = [...new Set(trust_domains ?? [...trusted.keys(), ...distrusted])];
    const found = wanted.map((name) => trusted.get(name)).filter((one) => one !== undefined);
    if (found.length > 0) {
      const leftIn = (without: ReadonlySet<string>) => found.filter(({ trustDomain }) => !without.has(trustDomain));
      const content: SecretSource['content'] = (form, without) => {
        const [first, ...rest] = leftIn(without);
        const asked = form === 'legacy' ? form : (mode ?? form);
        if (first === undefined) return undefined;
        if (asked === 'spiffe' || found.length === 1) return validationContext([first, ...rest], asked, match);
        return unsafe_merge ? validationContext(merged([first, ...rest]), asked, match) : undefined;
      };
      const policy = JSON.stringify([mode, match, unsafe_merge, found.length === 1]);
      const madeOf: SecretSource['madeOf'] = (_, without) => [policy, ...leftIn(without).flatMap(partsOf)];
      // The only trust domain of a context cannot be left out: nothing would remain.
      const separable = found.length > 1 ? found.map(({ trustDomain }) => trustDomain) : [];
      return { kind: 'validation_context', content, madeOf, separable };
    }
    const gone = wanted.find((name) => distrusted.has(name));
    return gone === undefined ? undefined : denial(gone, throwawayAuthority);
  };
  return { of, contentOf: (trustDomain) => hashOf(trusted.get(trustDomain as TrustDomain)) };
}

function partsOf({ trustDomain, authorities, crls, issuers }: Vetted): readonly unknown[] {
  return [trustDomain, ...authorities, ...crls, ...issuers];
}

/** Drops the CRLs if Envoy could mistake the CRL of one trust domain for that of another. One trust domain without CRLs is enough for that. */
function merged(trusted: readonly [Vetted, ...Vetted[]]): readonly [Trusted, ...Trusted[]] {
  const issuers = trusted.flatMap((one) => one.issuers);
  const crls = trusted.flatMap((one) => one.crls);
  if (mistakenFor(issuers, crls) === undefined) return trusted;
  const [first, ...rest] = trusted;
  return [{ ...first, crls: [] }, ...rest];
}

function hashOf(trusted: Trusted | undefined): string | undefined {
  if (trusted === undefined) return undefined;
  const hash = createHash('sha256');
  for (const der of [...trusted.authorities, ...trusted.crls.map((crl) => crl.der)].sort(Buffer.compare)) hash.update(der);
  return hash.digest('hex');
}

/** Of the trust domain of a context that trusts nobody, where none is known: this name is nobody's (RFC 6761, section 6.4). */
const NO_TRUST_DOMAIN = 'nobody.invalid';

/**
 * A context that trusts nobody. It uses the SPIFFE validator if it can: with a plain list of CAs, Envoy would accept clients without a
 * certificate.
 * @param throwawayAuthority a CA certificate (DER) whose key nobody has
 */
export function trustNobody(
  throwawayAuthority: () => Uint8Array,
  form: ValidationForm,
  trustDomain: string = NO_TRUST_DOMAIN,
): SecretContent {
  const nobody: Trusted = { trustDomain, authorities: [throwawayAuthority()], crls: [] };
  return validationContext([nobody], form === 'legacy' ? form : 'spiffe', []);
}

/** Replaces a withdrawn bundle. */
function denial(trustDomain: TrustDomain, throwawayAuthority: () => Uint8Array): SecretSource {
  const content = (form: ValidationForm) => trustNobody(throwawayAuthority, form, trustDomain);
  return { kind: 'validation_context', content, madeOf: () => [throwawayAuthority, trustDomain], separable: [] };
}

/**
 * Why CRLs are not sent: one reason for each trust domain. The key `undefined` stands for a CRL of no known authority.
 * @param now milliseconds since the epoch
 */
export function crlProblems(trust: Trust, now: number): ReadonlyMap<TrustDomain | undefined, string> {
  const { context } = trust;
  const problems = new Map<TrustDomain | undefined, string>();
  if (context.crls.length === 0) return problems;
  const intermediates = intermediatesOf(trust, now);
  const authorities = [...context.bundles.values()].flatMap((bundle) => bundle.authorities);
  const [stray] = context.crls.filter((crl) => !authorities.some((authority) => crl.isSignedBy(authority)));
  if (stray !== undefined)
    problems.set(undefined, `no authority that may sign CRLs has signed that of ${JSON.stringify(stray.issuer.slice(0, 200))}`);
  for (const bundle of context.bundles.values()) {
    const { problem } = vetCrls(issuersOf(bundle, intermediates, now), context.crls, now);
    if (problem !== undefined) problems.set(bundle.trustDomain, problem);
  }
  return problems;
}

type Intermediates = ReadonlyMap<TrustDomain, readonly Certificate[]>;

const NO_INTERMEDIATES: Intermediates = new Map();

/** The CAs that can have signed a peer's certificate, as far as this workload knows them. Other nodes may have other intermediates. */
function issuersOf({ trustDomain, authorities }: X509Bundle, intermediates: Intermediates, now: number): readonly Certificate[] {
  const issuers = [...sentAuthorities(authorities, now), ...(intermediates.get(trustDomain) ?? [])];
  return [...new Map(issuers.map((certificate) => [certificate.fingerprint, certificate])).values()];
}

/** The intermediate CAs in the chains of this workload's own SVIDs. */
function intermediatesOf(trust: Trust, now: number): Intermediates {
  const found = new Map<TrustDomain, Certificate[]>();
  for (const { served, svid } of identitiesOf(trust, now)) {
    const trustDomain = trustDomainOf(svid.id);
    const known = found.get(trustDomain) ?? [];
    found.set(trustDomain, known);
    known.push(...(served?.chain ?? svid.chain).slice(1));
  }
  return found;
}
