/**
 * Trust bundles as Envoy's CertificateValidationContext. Envoy takes a context with neither a custom validator nor a trusted_ca as
 * "verify nobody", so none is ever made of no bundle or of an empty one.
 */
import { pemEncode } from '../spiffe/pem.ts';
import type { X509Bundle } from '../spiffe/x509-context.ts';
import { encode } from '../wire.ts';
import type { SecretContent, ValidationForm } from './secret.ts';

const SPIFFE_VALIDATOR = 'envoy.tls.cert_validator.spiffe';
const SPIFFE_VALIDATOR_CONFIG = 'envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig';

/**
 * @param bundles each of another trust domain
 * @returns undefined when these bundles cannot be said in that form without trusting more than they say: none at all, or several
 *   trust domains in one trusted_ca, where the CA of each could mint identities of all the others
 */
export function validationContext(bundles: readonly X509Bundle[], form: ValidationForm): SecretContent | undefined {
  const [first] = bundles;
  if (first === undefined) return undefined;
  if (form === 'spiffe') return spiffeValidator(bundles);
  return bundles.length === 1 ? { validation_context: { trusted_ca: { inline_bytes: pemOf(first) } } } : undefined;
}

function spiffeValidator(bundles: readonly X509Bundle[]): SecretContent {
  const sorted = [...bundles].sort((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1));
  const value = encode(SPIFFE_VALIDATOR_CONFIG, {
    trust_domains: sorted.map((bundle) => ({ name: bundle.trustDomain, trust_bundle: { inline_bytes: pemOf(bundle) } })),
  });
  return {
    validation_context: {
      custom_validator_config: {
        name: SPIFFE_VALIDATOR,
        typed_config: { type_url: `type.googleapis.com/${SPIFFE_VALIDATOR_CONFIG}`, value },
      },
    },
  };
}

/** Sorted, so that the order in which a Workload API lists authorities changes no version. */
function pemOf({ authorities }: X509Bundle): Buffer {
  const sorted = [...authorities].sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
  return pemEncode(
    'CERTIFICATE',
    sorted.map(({ der }) => der),
  );
}
