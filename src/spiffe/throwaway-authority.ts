/**
 * An authority whose key nobody has: a validation context that trusts it alone trusts nobody. Envoy cannot be told that a trust bundle is
 * gone, only be given another.
 */
import { webcrypto } from 'node:crypto';

const CENTURY_MS = 100 * 365 * 86_400_000;

/** @returns a self-signed CA certificate, DER; its key is forgotten here */
export async function makeThrowawayAuthority(now: number): Promise<Uint8Array> {
  const { BasicConstraintsExtension, KeyUsageFlags, KeyUsagesExtension, X509CertificateGenerator } = await import(
    './x509/x509-library.ts'
  );
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await webcrypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=spiffe-sds trusts nobody',
    notBefore: new Date(now - 86_400_000),
    notAfter: new Date(now + CENTURY_MS),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    ],
  });
  return new Uint8Array(certificate.rawData);
}
