/** `config schema` prints a JSON Schema that takes every configuration of this repository, and refuses wrong ones: by a validator of others. */
import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { missingForSchemas } from '../support/containers/install.ts';
import { describeWith } from '../support/describe-with.ts';
import { fencesOf, pages, ROOT } from '../support/documents/document.ts';
import { schemaProblems } from '../support/json-schema.ts';

const MAIN = join(ROOT, 'src', 'cli', 'main.ts');
const missing = missingForSchemas();

/** Each with what is wrong with it, in the words of the validator. */
const WRONG: readonly (readonly [yaml: string, says: RegExp])[] = [
  ['nmaes: {}', /nmaes/],
  ['sds: { lisen: "unix:///s" }', /lisen/],
  ['sds: { listen: "tcp://127.0.0.1:1" }', /does not match/],
  ['sds: { mode: 660 }', /660 is not of type 'string'/],
  ['sds: { bundle_ack_timeout: 1.5s }', /does not match/],
  ['sds: { limits: { connections: 0 } }', /minimum/],
  ['sds: { allow: [{ uid: root }] }', /not of type 'array'/],
  ['mode: pod', /is not one of/],
  ['broker: { reference: name }', /is not one of/],
  ['names: { preset: consul }', /is not one of/],
  ['secrets: { name: a }', /not of type/],
  ['secrets: [{ name: a }]', /not valid under any/],
  ['secrets: [{ name: a, svid: { hint: x }, validation: {} }]', /valid under each of/],
  ['secrets: [{ name: a, svid: { hint: x, spiffe_id: "spiffe://a.test/b" } }]', /valid under each of/],
  ['secrets: [{ name: a, validation: { match: [{ prefix: a, exact: b }] } }]', /valid under each of/],
  ['secrets: [{ svid: { hint: a } }]', /'name' is a required property/],
  ['log: { level: warning }', /is not one of/],
];

const IN_DEPLOY = ['debian', 'kubernetes/node', 'integrations/istio'].map((folder) => `deploy/${folder}/spiffe-sds.yaml`);

interface Example {
  readonly at: string;
  readonly content: unknown;
}

function inPages(keys: ReadonlySet<string>): readonly Example[] {
  return pages().flatMap((page) =>
    fencesOf(page)
      .filter(({ language, text }) => language === 'yaml' && hasKeysOf(text, keys))
      .map(({ at, text }) => ({ at, content: parse(text) })),
  );
}

/** A part of some other file may have aliases without their anchors, and cannot be read. */
function hasKeysOf(text: string, keys: ReadonlySet<string>): boolean {
  const found = [...text.matchAll(/^([a-z_]+):/gm)].map(([, key = '']) => key);
  return found.length > 0 && found.every((key) => keys.has(key));
}

/** Whole files, and what stands in the ConfigMaps. */
async function inDeploy(): Promise<readonly Example[]> {
  const files = globSync(['deploy/**/*.yaml', 'envoy/*.yaml'], { cwd: ROOT, exclude: ['**/templates/**'] });
  const examples = await Promise.all(
    files.map(async (at) => {
      const documents = parseAllDocuments(await readFile(join(ROOT, at), 'utf8'));
      return documents.flatMap((document) => {
        const content = document.toJS({ maxAliasCount: -1 });
        const embedded: unknown[] = Object.entries(content?.kind === 'ConfigMap' ? (content.data ?? {}) : {}).flatMap(
          ([name, text]) => (/\.ya?ml$/.test(name) ? [parse(String(text), { maxAliasCount: -1 })] : []),
        );
        return [content, ...embedded].map((content) => ({ at, content }));
      });
    }),
  );
  return examples.flat();
}

/** Whether it has keys of ours only. */
function isOurs(content: unknown, keys: ReadonlySet<string>): boolean {
  const found = typeof content === 'object' && content !== null ? Object.keys(content) : [];
  return found.length > 0 && found.every((key) => keys.has(key));
}

describeWith(missing === undefined ? 'there' : undefined, missing ?? '')('config schema', () => {
  let schema: { readonly $schema: string; readonly properties: object };
  beforeAll(async () => {
    schema = JSON.parse((await promisify(execFile)(process.execPath, [MAIN, 'config', 'schema'])).stdout);
  });

  test('prints a JSON Schema of draft 7, which is the file of the pages', async () => {
    expect(schema.$schema).toBe('http://json-schema.org/draft-07/schema#');
    expect(schema).toEqual(JSON.parse(await readFile(join(ROOT, 'docs', 'configuration.schema.json'), 'utf8')));
    // Throws when it is none.
    await schemaProblems(schema, []);
  });

  test('takes each configuration of the pages and of deploy/', async () => {
    const keys = new Set(Object.keys(schema.properties));
    const examples = [...inPages(keys), ...(await inDeploy())].filter(({ content }) => isOurs(content, keys));
    const problems = await schemaProblems(
      schema,
      examples.map(({ content }) => content),
    );
    expect(examples.map(({ at }, i) => [at, problems[i]])).toEqual(examples.map(({ at }) => [at, []]));
    const places = new Set(examples.map(({ at }) => at.replace(/:\d+$/, '')));
    for (const place of ['docs/configuration.md', 'docs/names.md', 'docs/access.md', 'docs/node.md', ...IN_DEPLOY])
      expect(places).toContain(place);
  });

  test('refuses what is wrong, and the validator says why', async () => {
    const problems = await schemaProblems(
      schema,
      WRONG.map(([yaml]) => parse(yaml)),
    );
    expect(WRONG.map(([yaml], i) => [yaml, problems[i]])).toEqual(
      WRONG.map(([yaml, says]) => [yaml, expect.arrayContaining([expect.stringMatching(says)])]),
    );
  });
});
