import { X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { formProblem } from '../../../src/envoy/certificate-form.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { makeThrowawayAuthority } from '../../../src/spiffe/throwaway-authority.ts';
import { NOW } from '../../support/x509/certificates.ts';

const YEAR_MS = 365 * 86_400_000;
const der = makeThrowawayAuthority();
const [authority] = new CertificateReader().readAll(der).certificates;
const x509 = new X509Certificate(der);

describe('the throw-away authority', () => {
  test('is a CA that may sign certificates: Envoy would not load another', () => {
    expect(authority).toMatchObject({ isCa: true, keyUsage: { keyCertSign: true } });
  });

  test('is its own issuer: the SPIFFE validator wants a root', () => {
    expect(x509.checkIssued(x509) && x509.verify(x509.publicKey)).toBe(true);
  });

  test('is valid now, also for an Envoy whose clock is behind, and for longer than anybody runs', () => {
    const isValidAt = (time: number) => (authority?.notBefore ?? 0) <= time && time < (authority?.notAfter ?? 0);
    expect([NOW, NOW - 3_600_000, NOW + 50 * YEAR_MS].every(isValidAt)).toBe(true);
  });

  test('is another each time: no key of one process speaks in another', () => {
    expect(new X509Certificate(makeThrowawayAuthority()).publicKey.equals(x509.publicKey)).toBe(false);
  });

  test('is written as Envoy wants a certificate written', () => {
    expect(authority && formProblem(authority)).toBeUndefined();
  });

  test('lets no other CA stand below it', () => {
    expect(authority?.pathLength).toBe(0);
  });

  test('speaks for no SPIFFE ID', () => {
    expect(authority?.uriSans).toEqual([]);
  });
});
