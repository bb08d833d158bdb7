/** What stands in secrets and responses. */
import { X509Certificate } from 'node:crypto';
import type {
  DataSource,
  DeltaDiscoveryResponse,
  DiscoveryResponse,
  Secret,
  SPIFFECertValidatorConfig,
} from '../../src/gen/messages.ts';
import { decode } from '../../src/wire/wire.ts';
import { secretsOf } from '../support/sds/sds-client.ts';

export const WEB = 'spiffe://example.org/web';
export const DB = 'spiffe://example.org/db';
export const TRUST_DOMAIN = 'spiffe://example.org';

export function namesOf(response: DiscoveryResponse): readonly string[] {
  return secretsOf(response).map(({ name }) => name);
}

/** @throws when the response has no secret of that name */
export function secretOf(response: DiscoveryResponse, name: string): Secret {
  const secret = secretsOf(response).find((candidate) => candidate.name === name);
  if (secret === undefined) throw new Error(`no secret ${name} in a response with ${namesOf(response).join(', ')}`);
  return secret;
}

/** The only secret of a response. */
export function onlySecret({ resources }: DeltaDiscoveryResponse): Secret {
  const [first, ...others] = resources;
  if (first?.resource == null || others.length > 0) throw new Error(`one resource was expected, not ${resources.length}`);
  return decode('envoy.extensions.transport_sockets.tls.v3.Secret', first.resource.value);
}

export function textOf(source: DataSource | null | undefined): string {
  return Buffer.from(source?.inline_bytes ?? []).toString();
}

/** Every certificate of a PEM text. */
export function certificatesOf(source: DataSource | null | undefined): readonly X509Certificate[] {
  const blocks = textOf(source).match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n/g) ?? [];
  return blocks.map((pem) => new X509Certificate(pem));
}

export function leafOf({ tls_certificate }: Secret): X509Certificate {
  const [leaf] = certificatesOf(tls_certificate?.certificate_chain);
  if (leaf === undefined) throw new Error('the secret has no certificate');
  return leaf;
}

/** Of the leaf of one secret in a response. */
export function serialOf(response: DiscoveryResponse, name: string): string {
  return leafOf(secretOf(response, name)).serialNumber;
}

/** The configuration of Envoy's SPIFFE validator; undefined when the context has none. */
export function validatorOf({ validation_context }: Secret): SPIFFECertValidatorConfig | undefined {
  const config = validation_context?.custom_validator_config?.typed_config;
  return config == null ? undefined : decode('envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig', config.value);
}

export function trustDomainsOf(secret: Secret): readonly string[] {
  return validatorOf(secret)?.trust_domains.map(({ name }) => name) ?? [];
}

/** How many authorities a validation context of one trust domain has. */
export function authoritiesOf(secret: Secret): readonly X509Certificate[] {
  const [only] = validatorOf(secret)?.trust_domains ?? [];
  return certificatesOf(only?.trust_bundle ?? secret.validation_context?.trusted_ca);
}
