import { describe, expect, test } from 'vitest';
import { redact } from '../../src/sds/stream/redact.ts';
import { fc, runs } from '../support/properties.ts';

const pkcs8 = fc.uint8Array({ minLength: 100, maxLength: 1300 }).map((der) => Buffer.from(der).toString('base64'));
const escaped = (text: string) => text.replaceAll('\n', '\\n');
const lines = (base64: string) => (base64.match(/.{1,64}/g) ?? []).join('\n');
const pem = (base64: string) => `-----BEGIN PRIVATE KEY-----\n${lines(base64)}\n-----END PRIVATE KEY-----\n`;

/** The ways in which a key can get into a message. */
const disguise = fc.constantFrom<(base64: string) => string>(
  (base64) => base64,
  lines,
  (base64) => escaped(lines(base64)),
  pem,
  (base64) => escaped(pem(base64)),
  (base64) => escaped(escaped(pem(base64))),
  (base64) => `inline_bytes: "${escaped(pem(base64))}"`,
  (base64) => `tls_certificate {\n  private_key {\n    inline_string: "${escaped(pem(base64))}"\n  }\n}\n`,
  (base64) => `{"tls_certificate":{"private_key":{"inline_bytes":"${Buffer.from(pem(base64)).toString('base64')}"}}}`,
  (base64) => `{"tlsCertificate":{"privateKey":{"inlineBytes":"${base64}"}}}`,
  (base64) => `goo.gle/debugstr 2 { 2 { 2: "${base64}" } }`,
);

const words = fc.constantFrom(
  ' ',
  ': ',
  'Failed to load private key',
  '-----',
  '{',
  '"',
  '\n',
  '\\',
  'name: ',
  '<inline>',
  '\u200b',
);
const around = fc.oneof(
  fc.string({ maxLength: 50 }),
  fc.string({ unit: 'grapheme', maxLength: 50 }),
  fc.array(words).map((all) => all.join('')),
);

const windows = (text: string) => Array.from({ length: Math.max(0, text.length - 19) }, (_, at) => text.slice(at, at + 20));

describe('whatever stands around a key', () => {
  test('no run of 20 of its characters survives', () => {
    fc.assert(
      fc.property(around, pkcs8, disguise, around, (before, base64, disguised, after) => {
        const shown = windows(redact(before + disguised(base64) + after));
        const secrets = [base64, Buffer.from(pem(base64)).toString('base64')];
        expect(shown.filter((run) => secrets.some((secret) => secret.includes(run)))).toEqual([]);
      }),
      runs(1000),
    );
  });
});

describe('any text', () => {
  test('becomes one line of bounded length', () => {
    fc.assert(
      fc.property(fc.oneof(around, fc.string({ unit: 'binary', maxLength: 1000 })), (text) => {
        expect(redact(text)).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{0,320}$/u);
      }),
    );
  });
});
