/** A secret as it came, without its key, as far as findings need it. */
import { X509Certificate } from 'node:crypto';
import type { Secret } from '../../gen/messages.ts';
import { decode } from '../../wire/wire.ts';
import { plainSerial } from '../envoy-facts.ts';
import type { ServedSecret } from '../facts.ts';

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

export function servedSecret({ name, tls_certificate, validation_context }: Secret): ServedSecret {
  if (tls_certificate !== undefined) {
    const [leaf] = certificatesIn(tls_certificate.certificate_chain?.inline_bytes);
    return { name, kind: 'tls_certificate', ...(leaf && { serial: plainSerial(leaf.serialNumber) }) };
  }
  if (validation_context === undefined) return { name, kind: 'generic_secret' };
  const value = validation_context.custom_validator_config?.typed_config?.value;
  if (value === undefined) return { name, kind: 'validation_context' };
  const { trust_domains } = decode('envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig', value);
  const rootless = trust_domains.filter(({ trust_bundle }) => !certificatesIn(trust_bundle?.inline_bytes).some(isSelfSigned));
  return {
    name,
    kind: 'validation_context',
    spiffe: { trustDomains: trust_domains.map((one) => one.name), rootless: rootless.map((one) => one.name) },
  };
}

function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate);
}

function certificatesIn(pem: Uint8Array | undefined): readonly X509Certificate[] {
  const text = Buffer.from(pem ?? []).toString();
  return [...text.matchAll(PEM_BLOCK)].map(([block]) => new X509Certificate(block));
}
