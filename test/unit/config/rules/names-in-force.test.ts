import { describe, expect, test } from 'vitest';
import { prefixesOf } from '../../../../src/config/values/presets.ts';
import { loadText, problemsOf } from '../../../support/sidecar/configuration.ts';

function names(text: string): readonly string[] {
  const { default_svid, default_bundle, default_all_bundles } = loadText(text).configuration.names;
  return [default_svid, default_bundle, default_all_bundles];
}

describe('a preset', () => {
  test.each([
    ['spire', ['default', 'ROOTCA', 'ALL'], []],
    ['istio', ['default', 'ROOTCA', 'ALL'], ['sds://']],
    ['istio-federation', ['default', '', 'ROOTCA'], ['sds://']],
    ['kuma', ['default', 'ROOTCA', 'ALL'], []],
  ] as const)('%s gives names and prefixes', (preset, given, prefixes) => {
    expect([names(`names: { preset: ${preset} }`), prefixesOf(preset)]).toEqual([given, prefixes]);
  });

  test('yields to what stands beside it', () => {
    expect(names('names: { preset: istio-federation, default_all_bundles: EVERYBODY }')).toEqual(['default', '', 'EVERYBODY']);
  });

  test('is the source of what it gives', () => {
    const { sources } = loadText('names: { preset: istio, default_svid: mine }');
    expect(['default_svid', 'default_bundle', 'on_demand'].map((key) => sources.get(`names.${key}`))).toEqual([
      'file /x.yaml:1',
      'preset istio',
      'default',
    ]);
  });
});

describe('a name', () => {
  test('stands for one secret', () => {
    expect(problemsOf('names:\n  default_svid: a\n  default_bundle: a')).toEqual([
      '/x.yaml:3:3: names.default_bundle: names.default_svid and names.default_bundle are both "a": a name stands for one secret',
    ]);
  });

  test('of an audience must not stand for another secret', () => {
    const text = 'names: { jwt_audiences: [a] }\nsecrets: [{ name: "jwt:a", svid: { hint: b } }]';
    expect(problemsOf(text)).toEqual([expect.stringContaining('names.jwt_audiences[0] and secrets[0].name are both "jwt:a"')]);
  });

  test('that equals a default is blamed on the file, with both ways out', () => {
    expect(problemsOf('names:\n  answer_empty_request: true\n  default_svid: ALL')).toEqual([
      '/x.yaml:3:3: names.default_svid: names.default_svid and names.default_all_bundles (the default) are both "ALL": a name stands ' +
        'for one secret; rename this one, or turn the other off with names.default_all_bundles: ""',
    ]);
  });

  test('that equals one of the preset is explained by the preset', () => {
    expect(problemsOf('names:\n  preset: istio-federation\n  default_bundle: ROOTCA')).toEqual([
      expect.stringMatching(
        /^\/x\.yaml:3:3: .*names\.default_bundle and names\.default_all_bundles \(from preset istio-federation\) are both "ROOTCA"/,
      ),
    ]);
  });

  test('of a secret of your own may not be in force already', () => {
    expect(problemsOf('secrets:\n  - name: ROOTCA\n    svid: { hint: a }')).toEqual([
      expect.stringMatching(
        /^\/x\.yaml:2:5: secrets\[0\]\.name: names\.default_bundle \(the default\) and secrets\[0\]\.name are both "ROOTCA"/,
      ),
    ]);
  });

  test('of a secret of your own may not be given twice', () => {
    expect(problemsOf('secrets:\n  - { name: a, validation: {} }\n  - { name: a, validation: {} }')).toEqual([
      '/x.yaml:3:7: secrets[1].name: secrets[0].name and secrets[1].name are both "a": a name stands for one secret',
    ]);
  });

  test('may not equal another with a prefix of the preset before it', () => {
    const text = 'names: { preset: istio }\nsecrets:\n  - { name: "sds://default", validation: {} }';
    expect(problemsOf(text)).toEqual([
      expect.stringContaining(
        'secrets[0].name is "sds://default", and so is names.default_svid (from preset istio), which the preset serves with sds:// before it',
      ),
    ]);
  });

  test('is free again where another was turned off', () => {
    expect(problemsOf('names: { default_bundle: "" }\nsecrets: [{ name: ROOTCA, validation: {} }]')).toEqual([]);
  });

  test('may be turned off more than once', () => {
    expect(problemsOf('names: { default_svid: "", default_bundle: "", default_all_bundles: "" }')).toEqual([]);
  });

  test.each(['names: { default_svid: "spiffe://a/b" }', 'secrets: [{ name: "spiffe://a/b", svid: { hint: a } }]'])(
    'may not look like a SPIFFE ID: %s',
    (text) => {
      expect(problemsOf(text)).toEqual([expect.stringContaining('does not begin with "spiffe://"')]);
    },
  );
});
