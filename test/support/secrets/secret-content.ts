/** What an encoded secret says, read as Envoy reads it. */
import { createHash, X509Certificate } from 'node:crypto';
import type { DataSource, Secret as SecretMessage } from '../../../src/gen/messages.ts';
import type { Secret } from '../../../src/secrets/secret.ts';
import { decode } from '../../../src/wire/wire.ts';

/** Whom a validation context trusts: fingerprints of CAs, by trust domain where it says so. */
export type Trust =
  | { readonly by: 'spiffe'; readonly trustDomains: readonly (readonly [name: string, cas: readonly string[]])[] }
  | { readonly by: 'trusted_ca'; readonly cas: readonly string[] }
  /** Envoy would verify nobody. */
  | { readonly by: 'nothing' };

type Source = DataSource | null | undefined;

export function contentOf(secret: Secret | undefined): SecretMessage {
  if (secret === undefined) throw new Error('there is no such secret');
  return decode('envoy.extensions.transport_sockets.tls.v3.Secret', decode('google.protobuf.Any', secret.any).value);
}

export function trustOf(secret: Secret | undefined): Trust {
  return trustIn(contentOf(secret));
}

/** As it came to a client. CRLs in the SPIFFE form are `revocationsIn`. */
export function trustIn(content: SecretMessage | undefined): Trust {
  const trusted_ca = content?.validation_context?.trusted_ca;
  const trustDomains = spiffeBundles(content);
  if (trustDomains !== undefined)
    return {
      by: 'spiffe',
      trustDomains: trustDomains.map(([name, bundle]) => [name, pemBlocks(bundle).certificates.map(fingerprint)]),
    };
  return trusted_ca ? { by: 'trusted_ca', cas: fingerprints(trusted_ca) } : { by: 'nothing' };
}

/** SHA-256, hexadecimal, of the CRLs in a validation context; of which trust domain when it says so. */
export type Revocations = readonly (readonly [name: string, crls: readonly string[]])[];

export function revocationsOf(secret: Secret | undefined): Revocations {
  return revocationsIn(contentOf(secret));
}

/** As it came to a client. */
export function revocationsIn(content: SecretMessage | undefined): Revocations {
  const plain: readonly (readonly [string, Source])[] = [['', content?.validation_context?.crl]];
  return (spiffeBundles(content) ?? plain)
    .map(([name, source]) => [name, pemBlocks(source).crls.map(sha256)] as const)
    .filter(([, crls]) => crls.length > 0);
}

/** SHA-256, hexadecimal, of the certificates in a PEM text, which holds nothing else. */
export function fingerprints(source: Source): readonly string[] {
  const { certificates, crls } = pemBlocks(source);
  if (crls.length > 0) throw new Error('there is more than certificates in the PEM text');
  return certificates.map(fingerprint);
}

/** SHA-256, hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function fingerprint(der: Uint8Array): string {
  return new X509Certificate(der).fingerprint256.replaceAll(':', '').toLowerCase();
}

function spiffeBundles(content: SecretMessage | undefined): readonly (readonly [name: string, bundle: Source])[] | undefined {
  const config = content?.validation_context?.custom_validator_config?.typed_config;
  if (!config) return undefined;
  const { trust_domains } = decode('envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig', config.value);
  return trust_domains.map(({ name, trust_bundle }) => [name, trust_bundle] as const);
}

function pemBlocks(source: Source): { readonly certificates: readonly Buffer[]; readonly crls: readonly Buffer[] } {
  const pem = Buffer.from(source?.inline_bytes ?? []).toString();
  const blocks = [...pem.matchAll(/-----BEGIN (CERTIFICATE|X509 CRL)-----\n([^-]+)-----END \1-----\n/g)];
  if (blocks.map(([block]) => block).join('') !== pem)
    throw new Error('there is more than certificates and CRLs in the PEM text');
  const ders = (wanted: string) =>
    blocks.filter(([, label]) => label === wanted).map(([, , base64 = '']) => Buffer.from(base64, 'base64'));
  return { certificates: ders('CERTIFICATE'), crls: ders('X509 CRL') };
}
