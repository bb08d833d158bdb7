import { describe, expect, test } from 'vitest';
import type { NamedSecret } from '../../../../src/secrets/naming.ts';
import { loadText, problemsOf } from '../../../support/sidecar/configuration.ts';

/** As what the secrets are made of: this must hold without a cast. */
function secrets(text: string): readonly NamedSecret[] {
  return loadText(text).configuration.secrets;
}

describe('a secret of your own', () => {
  test.each([
    ['an SVID by its SPIFFE ID', 'svid: { spiffe_id: spiffe://a.test/b }', { svid: { spiffe_id: 'spiffe://a.test/b' } }],
    ['an SVID by its hint', 'svid: { hint: internal }', { svid: { hint: 'internal' } }],
    ['a token', 'jwt_svid: { audience: [a] }', { jwt_svid: { audience: ['a'], format: 'bearer' } }],
    [
      'the token of one identity, by itself',
      'jwt_svid: { audience: [a, b], hint: c, format: raw }',
      { jwt_svid: { audience: ['a', 'b'], hint: 'c', format: 'raw' } },
    ],
    ['all bundles', 'validation: {}', { validation: { match: [] } }],
    [
      'bundles of some trust domains, in one mode',
      'validation: { trust_domains: [a.test, "spiffe://b.test"], mode: spiffe }',
      { validation: { trust_domains: ['a.test', 'b.test'], mode: 'spiffe', match: [] } },
    ],
    [
      'bundles for peers whose SPIFFE IDs match',
      'validation: { match: [{ exact: a }, { prefix: b }, { suffix: c }, { regex: d }] }',
      { validation: { match: [{ exact: 'a' }, { prefix: 'b' }, { suffix: 'c' }, { regex: 'd' }] } },
    ],
  ])('can be %s', (_, text, secret) => {
    expect(secrets(`secrets: [{ name: x, ${text} }]`)).toEqual([{ name: 'x', ...secret }]);
  });
});

describe('a secret of your own that cannot be used', () => {
  test.each([
    ['svid: { hint: a }, validation: {}', '[0]: keep one of svid and validation'],
    ['', '[0]: one of svid, validation, jwt_svid must be there'],
    ['svids: { hint: a }', '[0].svids": did you mean "svid"?'],
    ['jwt_svid: {}', '[0].jwt_svid.audience: expected a list of audiences, found nothing'],
    ['jwt_svid: { audience: [] }', '[0].jwt_svid.audience: expected a list of at least one audience'],
    ['jwt_svid: { audience: payments }', '[0].jwt_svid.audience: expected a list of audiences, found string "payments"'],
    ['jwt_svid: { audience: [a, a] }', '[0].jwt_svid.audience[1]: "a" stands there twice: keep one'],
    ['jwt_svid: { audience: [""] }', '[0].jwt_svid.audience[0]: expected a text that is not empty'],
    ['jwt_svid: { audience: [a], spiffe_id: spiffe://a.test/b, hint: c }', '[0].jwt_svid: keep one of spiffe_id and hint'],
    ['jwt_svid: { audience: [a], format: basic }', '[0].jwt_svid.format: expected one of bearer, raw'],
    ['svid: { hint: a }, jwt_svid: { audience: [a] }', '[0]: keep one of svid and jwt_svid'],
    ['svid: {}', '[0].svid: one of spiffe_id, hint must be there'],
    ['svid: { spiffe_id: spiffe://a.test/b, hint: c }', '[0].svid: keep one of spiffe_id and hint'],
    ['svid: { spiffe_id: a.test/b }', '[0].svid.spiffe_id: not a SPIFFE ID: "a.test/b": it must begin with "spiffe://"'],
    ['svid: { spiffe_id: spiffe://a.test }', 'the SPIFFE ID of an SVID has a path, as in spiffe://a.test/api'],
    ['svid: { hint: }', '[0].svid.hint: expected a string, found nothing'],
    ['svid: { hint: "" }', '[0].svid.hint: expected a text that is not empty, found string ""'],
    ['validation:', '[0].validation: expected a mapping (key: value), found nothing'],
    ['validation: { mode: both }', '[0].validation.mode: expected one of spiffe, trusted_ca, found string "both"'],
    ['validation: { trustdomains: [a] }', '[0].validation.trustdomains": did you mean "trust_domains"?'],
    [
      'validation: { trust_domains: a.test }',
      '[0].validation.trust_domains: expected a list of trust domains, found string "a.test"',
    ],
    ['validation: { trust_domains: [] }', 'leave trust_domains out to mean all'],
    ['validation: { trust_domains: [a.test, B] }', '[0].validation.trust_domains[1]: not a trust domain: "B"'],
    ['validation: { trust_domains: [a, "spiffe://a"] }', '[0].validation.trust_domains[1]: "a" stands there twice: keep one'],
    ['validation: { match: { prefix: a } }', '[0].validation.match: expected a list of matchers, found a mapping'],
    ['validation: { match: [{ exact: a }, { prefix: a, suffix: b }] }', '[0].validation.match[1]: keep one of prefix and suffix'],
    ['validation: { match: [{}] }', '[0].validation.match[0]: one of exact, prefix, suffix, regex must be there'],
    ['validation: { match: [{ perfix: a }] }', '[0].validation.match[0].perfix": did you mean "prefix"?'],
    ['validation: { match: [{ prefix: "" }] }', '[0].validation.match[0].prefix: expected a text that is not empty'],
  ])('%j is reported in one sentence', (text, problem) => {
    expect(problemsOf(`secrets: [{ name: x, ${text} }]`)).toEqual([expect.stringContaining(problem)]);
  });

  test.each([
    ['secrets: [{ svid: { hint: a } }]', 'secrets[0].name: expected a string, found nothing'],
    ['secrets: [{ name: "", svid: { hint: a } }]', 'secrets[0].name: expected a text that is not empty'],
    ['secrets: [internal]', 'secrets[0]: expected a mapping (key: value), found string "internal"'],
    ['secrets: { name: internal }', 'secrets: expected a list of secrets, found a mapping'],
  ])('%j is reported in one sentence', (text, problem) => {
    expect(problemsOf(text)).toEqual([expect.stringContaining(problem)]);
  });

  test('is told with its place in the file', () => {
    const text = `
secrets:
  - name: internal
    svid: { hint: internal }
  - name: partners
    validation:
      match:
        - prefix: spiffe://partner.test/
        - { prefix: a,
            glob: b }
        - exact: a
          suffix: b
`;
    expect(problemsOf(text)).toEqual([
      expect.stringMatching(/^\/x\.yaml:10:13: .*match\[1\]\.glob": there are exact, prefix, suffix, regex$/),
      expect.stringMatching(/^\/x\.yaml:11:11: .*match\[2\]: keep one of exact and suffix$/),
    ]);
  });

  test('is told where it stands when it is an alias', () => {
    expect(problemsOf('x: &x { hint: 1 }\nsecrets: [{ name: a, svid: *x }]')).toContainEqual(
      expect.stringMatching(/^\/x\.yaml:1:9: secrets\[0\]\.svid\.hint: expected a string, found number 1: quote it$/),
    );
  });
});

describe('several trust domains in one trusted_ca', () => {
  const text = 'secrets: [{ name: x, validation: { trust_domains: [a, b], mode: trusted_ca } }]';

  test('are refused, because each could mint the identities of the other', () => {
    expect(problemsOf(text)).toEqual([
      expect.stringMatching(/^\/x\.yaml:1:36: secrets\[0\]\.validation\.trust_domains: .*unsafe_merge: true$/),
    ]);
  });

  test('are accepted when the operator says so', () => {
    expect(problemsOf(`validation: { unsafe_merge: true }\n${text}`)).toEqual([]);
  });
});

describe('a regular expression', () => {
  const text = 'secrets:\n  - name: x\n    validation:\n      match:\n        - regex: (';

  test('is held against the checker, and its problem has a place', () => {
    expect(problemsOf(text, { regexProblem: (regex) => `${regex} will not do` })).toEqual([
      '/x.yaml:5:11: secrets[0].validation.match[0].regex: ( will not do',
    ]);
  });

  test('that the checker has nothing against is accepted', () => {
    expect(problemsOf(text, { regexProblem: () => undefined })).toEqual([]);
  });
});
