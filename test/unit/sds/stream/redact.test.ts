import { describe, expect, test } from 'vitest';
import { redact } from '../../../../src/sds/stream/redact.ts';

const KEY = 'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCANARYcanaryCANARYcanaryCANARYcanaryCANARYoRANCAAQ';
const PEM = `-----BEGIN PRIVATE KEY-----\\n${KEY.slice(0, 64)}\\n${KEY.slice(64)}\\n-----END PRIVATE KEY-----\\n`;

describe('what Envoy says in a sentence stays as it is', () => {
  test.for([
    'Failed to load private key from <inline>, Cause: error:0b000074:X.509 certificate routines:OPENSSL_internal:KEY_VALUES_MISMATCH',
    'Failed to load certificate chain from <inline>, only P-256, P-384 or P-521 ECDSA certificates are supported',
    'Failed to load trusted CA certificates from <inline>',
    'Unexpected SDS secret (expecting default, got spiffe://example.org/web): no such secret',
    'SDS: wrong secret: spiffe://example.org/ns/production/sa/checkout-backend',
    'Error adding/updating listener(s) mtls: Failed to load incomplete private key from path',
    'Failed to create SPIFFE validator: multiple trust bundles are given for one trust domain for example.org',
    'Proto constraint validation failed (SecretValidationError.ValidationContext: embedded message failed validation | caused by CertificateValidationContextValidationError.TrustedCa)',
    'Größe überschritten: 7 € > 5 €',
    '',
  ])('%s', (message) => {
    expect(redact(message)).toBe(message);
  });
});

describe('a dump is cut off where it begins', () => {
  test.for([
    [
      'after a failed validation',
      `Proto constraint validation failed (SecretValidationError.TlsCertificate: value is required): goo.gle/debugproto name: "default" tls_certificate { private_key { inline_bytes: "${PEM}" } }`,
      'Proto constraint validation failed (SecretValidationError.TlsCertificate: value is required):… [redacted]',
    ],
    [
      'after a failed validation, without its opening line',
      `Proto constraint validation failed (SecretValidationError.Name): name: "default"\ntls_certificate {\n  private_key {\n    inline_bytes: "${PEM}"\n  }\n}\n`,
      'Proto constraint validation failed (SecretValidationError.Name):… [redacted]',
    ],
    [
      'with unknown fields, which have numbers for names',
      `Protobuf message (type Secret with unknown field set {2}) has unknown fields: 2 { 2: "${PEM}" }`,
      'Protobuf message (type Secret with unknown field… [redacted]',
    ],
    [
      'of an Any that does not unpack',
      `Unable to unpack as Secret: [type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret] { tls_certificate { private_key { inline_string: "${PEM}" } } }`,
      'Unable to unpack as Secret: [type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret] {… [redacted]',
    ],
    ['in JSON', `cannot read {"tlsCertificate":{"privateKey":{"inlineString":"${PEM}"}}}`, 'cannot… [redacted]'],
    ['of PEM alone', `no start line: ${PEM}`, 'no start line:… [redacted]'],
    ['from its first word', `inline_bytes: "${PEM}"`, '… [redacted]'],
  ] as const)('%s', ([_what, message, redacted]) => {
    expect(redact(message)).toBe(redacted);
  });
});

describe('what could be a key goes', () => {
  test.for([
    ['base64', `unexpected ${KEY} here`, 'unexpected [redacted] here'],
    ['base64url', `unexpected ${KEY.replaceAll('A', '-').replaceAll('g', '_')} here`, 'unexpected [redacted] here'],
    ['hexadecimal', `unexpected ${Buffer.from(KEY).toString('hex')} here`, 'unexpected [redacted] here'],
    ['base64 in lines, the last one short', `got ${KEY.slice(0, 64)}\n${KEY.slice(64, 90)}`, 'got [redacted]'],
    ['base64 in escaped lines', `got ${KEY.slice(0, 64)}\\n${KEY.slice(64, 90)}`, 'got [redacted]'],
  ] as const)('in %s', ([_what, message, redacted]) => {
    expect(redact(message)).toBe(redacted);
  });
});

describe('a redacted message', () => {
  test.for(['\n', '\r\n', '\0', '\x1b[31m', '\u2028', '\u202e'])('is one line without control characters: %j', (character) => {
    expect(redact(`a${character}b`)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  });

  test('is 300 characters long at most, and says that something was cut', () => {
    expect(redact('no. '.repeat(1000))).toBe(`${'no. '.repeat(75)}… [redacted]`);
  });
});
