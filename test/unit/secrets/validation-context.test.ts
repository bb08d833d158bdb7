import { describe, expect, test } from 'vitest';
import { VALIDATION_FORMS } from '../../../src/secrets/secret.ts';
import { type Trusted, validationContext } from '../../../src/secrets/validation-context.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { issueAuthority, issueCrl } from '../../support/x509/certificates.ts';

const authority = await issueAuthority();
const trusted: Trusted = { trustDomain: 'example.org', authorities: [authority.der], crls: [] };
const fieldsOf = (one: Trusted, form: (typeof VALIDATION_FORMS)[number]) =>
  Object.entries(validationContext([one], form, []).validation_context ?? {})
    .filter(([, value]) => !Array.isArray(value) || value.length > 0)
    .map(([field]) => field);

describe('validationContext', () => {
  test("names Envoy's SPIFFE validator and the type of its configuration", () => {
    expect(validationContext([trusted], 'spiffe', []).validation_context?.custom_validator_config).toMatchObject({
      name: 'envoy.tls.cert_validator.spiffe',
      typed_config: {
        type_url: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig',
      },
    });
  });

  test('sets either the validator or the CAs, never both', () => {
    expect(VALIDATION_FORMS.map((form) => fieldsOf(trusted, form))).toEqual([
      ['custom_validator_config'],
      ['trusted_ca'],
      ['trusted_ca'],
    ]);
  });

  test('puts CRLs where the form has them: within the bundle, or beside the CAs for the leaf only', async () => {
    const withCrl = { ...trusted, crls: [new CertificateReader().readCrl(await issueCrl(authority))] };
    expect(VALIDATION_FORMS.map((form) => fieldsOf(withCrl, form))).toEqual([
      ['custom_validator_config'],
      ['trusted_ca', 'crl', 'only_verify_leaf_cert_crl'],
      ['trusted_ca', 'crl', 'only_verify_leaf_cert_crl'],
    ]);
  });

  test('holds each CA once, however it came to be there twice', () => {
    const again = { ...trusted, authorities: [authority.der, Buffer.from(authority.der)] } as const;
    expect(validationContext([again], 'trusted_ca', [])).toEqual(validationContext([trusted], 'trusted_ca', []));
  });

  test('makes matchers of URI SANs, and a regular expression one that Envoy can read', () => {
    const match = [{ exact: 'spiffe://a/b' }, { prefix: 'spiffe://a/' }, { suffix: '/b' }, { regex: 'spiffe://a/.*' }];
    expect(validationContext([trusted], 'spiffe', match).validation_context?.match_typed_subject_alt_names).toEqual([
      { san_type: 3, matcher: { exact: 'spiffe://a/b' } },
      { san_type: 3, matcher: { prefix: 'spiffe://a/' } },
      { san_type: 3, matcher: { suffix: '/b' } },
      { san_type: 3, matcher: { safe_regex: { regex: 'spiffe://a/.*' } } },
    ]);
  });
});
