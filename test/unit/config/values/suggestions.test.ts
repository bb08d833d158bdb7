/** Whoever is told what to write can write it: each suggestion is typed where it was made, and accepted. */

import { describe, expect, test } from 'vitest';
import { Document, parseDocument } from 'yaml';
import { parseAdminListen } from '../../../../src/config/schema/telemetry-schema.ts';
import { regexChecker } from '../../../../src/config/values/regex.ts';
import { parseEndpoint } from '../../../../src/endpoint.ts';
import { messageOf } from '../../../../src/error.ts';
import { fc, runs } from '../../../support/properties.ts';
import { problemsOf } from '../../../support/sidecar/configuration.ts';

const regexProblem = await regexChecker();
const problems = (text: string) => problemsOf(text, { regexProblem });

type Path = readonly (string | number)[];

/** The file after its reader has done as he was told. */
function mended(text: string, problem: string): string | undefined {
  const document = parseDocument(text);
  const [, place = ''] = /^\/x\.yaml:\d+:\d+: ([a-z_.[\]\d]+): /.exec(problem) ?? [];
  const path = pathOf(place);
  const [, unknown, meant] = /unknown key "(.*)": did you mean "(.*)"\?$/.exec(problem) ?? [];
  const [, key, value] = /(?:with|by|accept it with) ([a-z_.]+): (\S+)$/.exec(problem) ?? [];
  const [, written] = /: write (\S+?)(?: for none)?$/.exec(problem) ?? [];
  const [, endpoint] = /(?:did you mean|use a Unix socket:) ([a-z]+:\S+?)\??$/.exec(problem) ?? [];
  const [, example] = /, as in (\S+)$/.exec(problem) ?? [];
  if (unknown !== undefined && meant !== undefined) {
    const at = pathOf(unknown);
    const value = document.getIn(at);
    document.deleteIn(at);
    document.setIn([...at.slice(0, -1), meant], value);
  } else if (key !== undefined && value !== undefined) document.setIn(key.split('.'), JSON.parse(value));
  else if (problem.endsWith(': quote it')) document.setIn(path, asWritten(text, path));
  else if (written !== undefined) document.setIn(path, written === '""' ? '' : written);
  else if ((endpoint ?? example) !== undefined) document.setIn(path, endpoint ?? example);
  else return undefined;
  return String(document);
}

function pathOf(text: string): Path {
  return text.split(/\.|\[|\]\.?/).flatMap((part) => (part === '' ? [] : [/^\d+$/.test(part) ? Number(part) : part]));
}

function asWritten(text: string, path: Path): unknown {
  const node = parseDocument(text).getIn(path, true) as { readonly source?: string };
  return node.source;
}

const SECRET = 'name: a, svid: { hint: b }';

test.each([
  // Quotes, units, and nothing.
  'sds: { mode: 0660 }',
  'sds: { mode: 660 }',
  'sds: { bundle_ack_timeout: 5 }',
  'sds: { bundle_ack_timeout: 0 }',
  'sds: { limits: { request_bytes: 3 } }',
  'telemetry: { otlp: { timeout: 5 } }',
  'telemetry: { otlp: { metric_interval: 60 } }',
  'telemetry: { otlp: { headers: { a: 1 } } }',
  'names: { default_svid: 1.0 }',
  'names: { default_svid: null }',
  'names: { default_bundle: }',
  'names: { default_all_bundles: false }',
  'names: { on_demand: [5] }',
  'names: { preset: istio, default_svid: null }',
  'admin: { listen: }',
  'log: { audit: ~ }',
  'secrets: [{ name: 5, svid: { hint: b } }]',
  'secrets: [{ name: a, svid: { hint: 010 } }]',
  // Keys.
  'sds: { lisen: "unix:///x" }',
  'logs: {}',
  `secrets: [{ ${SECRET.replace('hint', 'hnt')} }]`,
  'secrets: [{ name: a, validation: { match: [{ prefx: b }] } }]',
  'admin: { listen: "0.0.0.0:80" }',
  'secrets: [{ name: a, validation: { mode: trusted_ca, trust_domains: [a, b] } }]',
  // Names.
  'secrets: [{ name: default, svid: { hint: b } }]',
  'secrets: [{ name: "sds://ROOTCA", svid: { hint: b } }]\nnames: { preset: istio }',
  'secrets: [{ name: a, svid: { spiffe_id: "spiffe://example.org" } }]',
  // Addresses.
  'workload_api: { address: /run/x.sock }',
  'workload_api: { address: "127.0.0.1:80" }',
  'workload_api: { address: "tcp://localhost:80" }',
  'sds: { listen: /run/x.sock }',
  'sds: { listen: "tcp://127.0.0.1:80" }',
  'admin: { listen: /run/x.sock }',
  'admin: { listen: "localhost:80" }',
  'admin: { listen: "unix://run/x.sock" }',
])('%j: what the problem suggests is accepted', (text) => {
  const [problem = '', ...others] = problems(text);
  expect(others).toEqual([]);
  const after = mended(text, problem);
  expect(after, problem).toBeDefined();
  expect(problems(after ?? ''), problem).toEqual([]);
});

test.each([
  ['sds: { mode: 999 }', 'expected an octal string like "0660", found number 999'],
  ['sds: { bundle_ack_timeout: 1.5 }', 'not a duration: "1.5": write whole numbers with units'],
  ['sds: { listen: 9999 }', 'not an endpoint: "9999": write unix:///absolute/path'],
  ['sds: { listen: "127.0.0.1:9999" }', 'not an endpoint: "127.0.0.1:9999": write unix:///absolute/path'],
  ['log: { level: info, leve: debug }', 'unknown key "log.leve": there are level, format, audit'],
  [
    'secrets: [{ name: a, svid: { hint: b, spiffeid: "spiffe://a/b" } }]',
    'unknown key "secrets[0].svid.spiffeid": there are spiffe_id, hint',
  ],
  [
    'secrets: [{ name: a, validation: { match: [{ foo: 1 }] } }]',
    'unknown key "secrets[0].validation.match[0].foo": there are exact, prefix, suffix, regex',
  ],
])('%j: nothing is suggested that would be refused', (text, problem) => {
  expect(problems(text)).toEqual([expect.stringContaining(problem)]);
  expect(problems(text)[0]).not.toMatch(/did you mean|quote it/);
});

describe('whatever stands in a value', () => {
  const paths: readonly Path[] = [
    ['sds', 'listen'],
    ['sds', 'mode'],
    ['sds', 'bundle_ack_timeout'],
    ['sds', 'limits', 'request_bytes'],
    ['workload_api', 'address'],
    ['names', 'default_svid'],
    ['admin', 'listen'],
    ['telemetry', 'otlp', 'timeout'],
    ['telemetry', 'otlp', 'endpoint'],
    ['log', 'audit'],
  ];
  const value = fc.oneof(
    fc.integer({ min: -1, max: 10 ** 9 }),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc
      .array(
        fc.constantFrom(
          'unix:',
          'tcp:',
          '/',
          '//',
          '127.0.0.1',
          '[::1]',
          '::1',
          'localhost',
          ':80',
          ' ',
          '?',
          '#',
          'run',
          '.sock',
        ),
      )
      .map((parts) => parts.join('')),
  );

  test('a suggestion is accepted', () => {
    fc.assert(
      fc.property(fc.constantFrom(...paths), value, (path, value) => {
        const document = new Document({});
        document.setIn(path, value);
        const text = String(document);
        const [problem = ''] = problems(text);
        const after = mended(text, problem);
        if (after !== undefined) expect(problems(after), `${text}${problem}`).toEqual([]);
      }),
      runs(300),
    );
  });

  test.each([
    ['an endpoint', (text: string) => parseEndpoint(text)],
    ['the address of the admin API', (text: string) => parseAdminListen(text)],
  ])('a guess at %s is one', (_, parse) => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'unix:tcp/@[].%?# 018') }), (text) => {
        const [, meant] = /did you mean (.*)\?$/.exec(failureOf(() => parse(text)) ?? '') ?? [];
        if (meant !== undefined) expect(failureOf(() => parse(meant))).toBeUndefined();
      }),
      runs(2_000),
    );
  });
});

function failureOf(action: () => unknown): string | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}
