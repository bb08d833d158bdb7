/**
 * Trust bundles as Envoy's CertificateValidationContext. Envoy takes a context with neither a custom validator nor a trusted_ca as
 * "verify nobody", so none is ever made of no bundle or of an empty one.
 */
import type { CertificateValidationContext, SubjectAltNameMatcher } from '../gen/messages.ts';
import { pemEncode } from '../spiffe/x509/pem.ts';
import { encode, type Input } from '../wire/wire.ts';
import type { UriMatcher } from './naming.ts';
import type { SecretContent, ValidationForm } from './secret.ts';

const SPIFFE_VALIDATOR = 'envoy.tls.cert_validator.spiffe';
const SPIFFE_VALIDATOR_CONFIG = 'envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig';
/** SubjectAltNameMatcher.SanType */
const URI = 3;

/** A CRL. Its PEM is made once: it may be many megabytes. */
export interface Revocations {
  readonly der: Uint8Array;
  readonly pem: Buffer;
}

/** What is trusted of one trust domain. */
export interface Trusted {
  readonly trustDomain: string;
  /** DER, at least one. */
  readonly authorities: readonly [Uint8Array, ...Uint8Array[]];
  /** None, or one for each authority. */
  readonly crls: readonly Revocations[];
}

/**
 * @param trusted each of another trust domain, at least one
 * @param match URI SANs to accept; none: any
 */
export function validationContext(
  trusted: readonly [Trusted, ...Trusted[]],
  form: ValidationForm,
  match: readonly UriMatcher[],
): SecretContent {
  const trust = form === 'spiffe' ? spiffeValidator(trusted) : trustedCa(trusted);
  return { validation_context: { ...trust, match_typed_subject_alt_names: match.map(sanMatcher) } };
}

function spiffeValidator(trusted: readonly Trusted[]): Input<CertificateValidationContext> {
  const sorted = [...trusted].sort((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1));
  const trust_domains = sorted.map(({ trustDomain, authorities, crls }) => ({
    name: trustDomain,
    trust_bundle: { inline_bytes: Buffer.concat([certificatesPem(authorities), ...crlPems(crls)]) },
  }));
  const typed_config = {
    type_url: `type.googleapis.com/${SPIFFE_VALIDATOR_CONFIG}`,
    value: encode(SPIFFE_VALIDATOR_CONFIG, { trust_domains }),
  };
  return { custom_validator_config: { name: SPIFFE_VALIDATOR, typed_config } };
}

/** A list of one CA says nothing of the peers of another, so it is heeded for the leaf only, and only when all have one. */
function trustedCa(trusted: readonly Trusted[]): Input<CertificateValidationContext> {
  const trusted_ca = { inline_bytes: certificatesPem(trusted.flatMap(({ authorities }) => authorities)) };
  if (trusted.some(({ crls }) => crls.length === 0)) return { trusted_ca };
  const pems = crlPems(trusted.flatMap(({ crls }) => crls));
  return { trusted_ca, crl: { inline_bytes: Buffer.concat(pems) }, only_verify_leaf_cert_crl: true };
}

function sanMatcher(matcher: UriMatcher): Input<SubjectAltNameMatcher> {
  return { san_type: URI, matcher: 'regex' in matcher ? { safe_regex: { regex: matcher.regex } } : matcher };
}

function certificatesPem(ders: readonly Uint8Array[]): Buffer {
  return pemEncode(
    'CERTIFICATE',
    eachOnce(ders, (der) => der),
  );
}

function crlPems(crls: readonly Revocations[]): readonly Buffer[] {
  return eachOnce(crls, ({ der }) => der).map(({ pem }) => pem);
}

/** Each once and sorted, so that how a Workload API lists them changes no version. */
function eachOnce<T>(items: readonly T[], derOf: (item: T) => Uint8Array): readonly T[] {
  const sorted = [...items].sort((a, b) => Buffer.compare(derOf(a), derOf(b)));
  const isRepeated = (item: T, before: T | undefined) => before !== undefined && Buffer.compare(derOf(item), derOf(before)) === 0;
  return sorted.filter((item, index) => !isRepeated(item, sorted[index - 1]));
}
