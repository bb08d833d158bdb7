import { describe, expect, test } from 'vitest';
import { validationContext } from '../../src/secrets/validation-context.ts';
import { type Certificate, CertificateReader } from '../../src/spiffe/certificate.ts';
import { parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';
import { issueAuthority } from '../support/certificates.ts';

const reader = await CertificateReader.load();
const [authority] = reader.readAll((await issueAuthority()).der) as [Certificate];
const bundle = { trustDomain: parseTrustDomain('example.org'), authorities: [authority] } as const;

describe('validationContext', () => {
  test.for(['spiffe', 'trusted_ca'] as const)('makes none of no bundles in the form %s: Envoy would trust anyone', (form) => {
    expect(validationContext([], form)).toBeUndefined();
  });

  test("names Envoy's SPIFFE validator and the type of its configuration", () => {
    expect(validationContext([bundle], 'spiffe')?.validation_context?.custom_validator_config).toMatchObject({
      name: 'envoy.tls.cert_validator.spiffe',
      typed_config: {
        type_url: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
      },
    });
  });

  test('sets either the validator or the CAs, never both', () => {
    const fields = (['spiffe', 'trusted_ca'] as const).map((form) =>
      Object.keys(validationContext([bundle], form)?.validation_context ?? {}),
    );
    expect(fields).toEqual([['custom_validator_config'], ['trusted_ca']]);
  });
});
