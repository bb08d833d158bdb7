import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { configurationJsonSchema, type JsonSchema } from '../../src/config/json-schema.ts';
import { configurationSchema } from '../../src/config/schema/schema.ts';
import { withOverrides } from '../../src/config/source/sources.ts';
import { DURATION_PATTERN, parseDuration } from '../../src/config/values/duration.ts';
import { parseSize, SIZE_PATTERN } from '../../src/config/values/size.ts';
import { fc } from '../support/properties.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const schema = configurationJsonSchema();
// zod does not read a choice between required keys: it is tested by itself.
const withoutChoices = JSON.parse(JSON.stringify(schema, (key, value) => (key === 'oneOf' ? undefined : value)));
const editor = z.fromJSONSchema(withoutChoices);
const takes = (content: unknown) => ({
  editor: editor.safeParse(content).success,
  sidecar: configurationSchema.safeParse(withOverrides(content, new Map())).success,
});

const TAKEN = [
  '{}',
  'sds:',
  'secrets:',
  'workload_api: { address: "tcp://127.0.0.1:8081" }',
  'workload_api: [{ address: "unix:///a" }, { address: "unix:///b" }]',
  'workload_api:',
  'sds: { listen: unix:/s.sock, mode: "600", group: 101, bundle_ack_timeout: 1m30s, limits: { request_bytes: 64KiB } }',
  'sds: { group: envoy }',
  'names: { preset: istio, on_demand: ["*.example.org"], default_svid: "" }',
  'secrets: [{ name: a, svid: { hint: x } }, { name: b, svid: { spiffe_id: "spiffe://a.test/b" } }]',
  'secrets: [{ name: a, validation: { trust_domains: [b.test], mode: trusted_ca, match: [{ prefix: "spiffe://b.test/" }] } }]',
  'secrets: [{ name: a, validation: {} }]',
  'admin: { listen: "", hosts: [localhost] }',
  'telemetry: { otlp: { endpoint: "http://[::1]:4318", headers: { a: b }, push_spans: 0 }, resource: { a: b } }',
  'telemetry: { otlp: { endpoint: "unix:///run/otlp.sock" } }',
  'log: { level: silent, audit: /var/log/audit.json }',
  'log: { audit: "" }',
];
const REFUSED = [
  'nmaes: {}',
  'workload_api: []',
  'workload_api: [{}]',
  'workload_api: { adress: "unix:///a" }',
  'sds: { lisen: "unix:///s" }',
  'sds: { listen: "tcp://127.0.0.1:1" }',
  'sds: { mode: 660 }',
  'sds: { mode: "0999" }',
  'sds: { group: -1 }',
  'sds: { bundle_ack_timeout: 5 }',
  'sds: { bundle_ack_timeout: 1.5s }',
  'sds: { limits: { connections: 0 } }',
  'sds: { limits: { request_bytes: 1MB } }',
  'names: { preset: consul }',
  'names: { default_svid: "spiffe://a.test/b" }',
  'secrets: [{ svid: { hint: a } }]',
  'secrets: [{ name: a, validation: { trust_domains: [] } }]',
  'telemetry: { otlp: { endpoint: collector } }',
  'telemetry: { otlp: { push_spans: -1 } }',
  'log: { audit: relative }',
  'log: { level: warning }',
];

test.each(TAKEN)('an editor and the sidecar take %s', (yaml) => {
  expect(takes(parse(yaml))).toEqual({ editor: true, sidecar: true });
});

test.each(REFUSED)('an editor and the sidecar refuse %s', (yaml) => {
  expect(takes(parse(yaml))).toEqual({ editor: false, sidecar: false });
});

test.each(['deploy/compose/sidecar.yaml'])('%s names the schema, and fits it', async (path) => {
  const text = await readFile(join(ROOT, path), 'utf8');
  const named = /^# yaml-language-server: \$schema=(\S+)$/m.exec(text)?.[1] ?? '';
  expect(join(dirname(path), named)).toBe('docs/configuration.schema.json');
  expect(existsSync(join(ROOT, dirname(path), named))).toBe(true);
  expect(takes(parse(text))).toEqual({ editor: true, sidecar: true });
});

test.each([
  ['', ['svid', 'validation', 'jwt_svid']],
  ['svid', ['spiffe_id', 'hint']],
  ['validation.match', ['exact', 'prefix', 'suffix', 'regex']],
])('of a secret, "%s" has exactly one of %j', (path, keys) => {
  const secret = schema.properties?.['secrets']?.items ?? {};
  const at = path.split('.').reduce((at: JsonSchema, key) => (key === '' ? at : (at.properties?.[key] ?? {})), secret);
  const of = (at.items ?? at)['oneOf'];
  expect(of).toEqual(keys.map((key) => ({ required: [key] })));
});

test('every key is described by whole sentences', () => {
  const keys = keysOf(schema, '');
  expect(keys.length).toBeGreaterThan(50);
  for (const [path, { description }] of keys) expect([path, description]).toEqual([path, expect.stringMatching(/^.+[.)]$/)]);
});

describe('a pattern', () => {
  test.each([
    ['duration', DURATION_PATTERN, parseDuration, ['1', '23', 'd', 'h', 'm', 's', 'ms', '.', ' ', '-']],
    ['size', SIZE_PATTERN, parseSize, ['1', '23', 'B', 'K', 'Ki', 'MiB', 'G', 'i', ' ', '.']],
  ] as const)('of a %s matches what is taken, and nothing else', (_, pattern, read, parts) => {
    const text = fc.array(fc.constantFrom(...parts), { maxLength: 6 }).map((chosen) => chosen.join(''));
    fc.assert(
      fc.property(text, (candidate) => {
        expect([candidate, new RegExp(pattern).test(candidate)]).toEqual([candidate, isTaken(read, candidate)]);
      }),
    );
  });
});

function isTaken(read: (text: string) => number, text: string): boolean {
  try {
    read(text);
    return true;
  } catch {
    return false;
  }
}

function keysOf({ properties = {} }: JsonSchema, above: string): readonly (readonly [string, JsonSchema])[] {
  return Object.entries(properties).flatMap(([key, value]) => {
    const path = `${above}${key}`;
    return [[path, value] as const, ...keysOf(value.items ?? value, `${path}.`)];
  });
}
