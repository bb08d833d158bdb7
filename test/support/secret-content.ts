/** What an encoded secret says, read as Envoy reads it. */
import { X509Certificate } from 'node:crypto';
import type { Secret as SecretMessage } from '../../src/gen/messages.ts';
import type { Secret } from '../../src/secrets/secret.ts';
import { decode } from '../../src/wire.ts';

/** Whom a validation context trusts: fingerprints of CAs, by trust domain where it says so. */
export type Trust =
  | { readonly by: 'spiffe'; readonly trustDomains: readonly (readonly [name: string, cas: readonly string[]])[] }
  | { readonly by: 'trusted_ca'; readonly cas: readonly string[] }
  /** Envoy would verify nobody. */
  | { readonly by: 'nothing' };

export function contentOf(secret: Secret | undefined): SecretMessage {
  if (secret === undefined) throw new Error('there is no such secret');
  return decode('envoy.extensions.transport_sockets.tls.v3.Secret', decode('google.protobuf.Any', secret.any).value);
}

export function trustOf(secret: Secret | undefined): Trust {
  const { trusted_ca, custom_validator_config } = contentOf(secret).validation_context ?? {};
  const config = custom_validator_config?.typed_config;
  if (config) {
    const { trust_domains } = decode('envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig', config.value);
    return { by: 'spiffe', trustDomains: trust_domains.map(({ name, trust_bundle }) => [name, fingerprints(trust_bundle)]) };
  }
  return trusted_ca ? { by: 'trusted_ca', cas: fingerprints(trusted_ca) } : { by: 'nothing' };
}

/** SHA-256, hexadecimal, of the certificates in a PEM text. */
export function fingerprints(source: { readonly inline_bytes?: Uint8Array } | null | undefined): readonly string[] {
  const pem = Buffer.from(source?.inline_bytes ?? []).toString();
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----\n/g) ?? [];
  if (blocks.join('') !== pem) throw new Error('there is more than certificates in the PEM text');
  return blocks.map((block) => new X509Certificate(block).fingerprint256.replaceAll(':', '').toLowerCase());
}
