/**
 * Trust bundles as Envoy's CertificateValidationContext. If a context has neither a custom validator nor a trusted_ca, Envoy does not
 * verify peers at all. Therefore the types here require at least one bundle with at least one authority.
 */
import type { CertificateValidationContext, SubjectAltNameMatcher } from '../gen/messages.ts';
import { pemEncode } from '../spiffe/x509/pem.ts';
import { encode, type Input } from '../wire/wire.ts';
import type { UriMatcher } from './naming.ts';
import type { SecretContent, ValidationForm } from './secret.ts';

const SPIFFE_VALIDATOR = 'envoy.tls.cert_validator.spiffe';
const SPIFFE_VALIDATOR_CONFIG = 'envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig';
/** The value of SubjectAltNameMatcher.SanType for URIs. */
const URI = 3;

/** A CRL as DER and PEM. The PEM is made once per CRL, because it can have many megabytes. */
export interface Revocations {
  readonly der: Uint8Array;
  readonly pem: Buffer;
}

/** The authorities and CRLs of one trust domain. */
export interface Trusted {
  readonly trustDomain: string;
  /** CA certificates as DER, at least one. */
  readonly authorities: readonly [Uint8Array, ...Uint8Array[]];
  /** Empty, or one CRL for each authority. */
  readonly crls: readonly Revocations[];
}

/**
 * Makes the content of a validation context.
 * @param trusted at least one trust domain, each at most once
 * @param match the URI SANs to accept; empty accepts any
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

/** Envoy refuses a certificate whose CA has no CRL. So CRLs are sent only if all trust domains have them, and Envoy checks only the leaf. */
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

/** Sorts and removes duplicates, so that the order in which the Workload API lists the items does not change the version. */
function eachOnce<T>(items: readonly T[], derOf: (item: T) => Uint8Array): readonly T[] {
  const sorted = [...items].sort((a, b) => Buffer.compare(derOf(a), derOf(b)));
  const isRepeated = (item: T, before: T | undefined) => before !== undefined && Buffer.compare(derOf(item), derOf(before)) === 0;
  return sorted.filter((item, index) => !isRepeated(item, sorted[index - 1]));
}
