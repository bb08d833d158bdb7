/** Names: those there are, in every combination, and those there are not. */
import { expect } from 'vitest';
import { DB, namesOf, secretOf, TRUST_DOMAIN, WEB } from '../read.ts';
import type { Row } from '../row.ts';

const KINDS = {
  default: 'tls_certificate',
  [WEB]: 'tls_certificate',
  [DB]: 'tls_certificate',
  ROOTCA: 'validation_context',
  ALL: 'validation_context',
  [TRUST_DOMAIN]: 'validation_context',
} as const;
const ALL_NAMES = Object.keys(KINDS);
const COMBINATIONS = Array.from({ length: 2 ** ALL_NAMES.length - 1 }, (_, bits) =>
  ALL_NAMES.filter((_name, index) => ((bits + 1) >> index) & 1),
);

const UNKNOWN = {
  'that nobody knows': 'no-such-secret',
  'of an identity that is not ours': `${TRUST_DOMAIN}/nobody-at-all`,
  'of a trust domain that is not federated': 'spiffe://stranger.test',
  'in another case': 'rOoTcA',
  'that ends in a slash': `${TRUST_DOMAIN}/`,
  'that is empty': '',
  'of a property that every object has': 'constructor',
  'that is __proto__': '__proto__',
  'that is no ASCII': 'пример/例え/\u{1f512}',
  'with a line break and a NUL': 'a\r\nb\0c',
  'as long as a SPIFFE ID may be': `spiffe://example.org/${'n'.repeat(2_000)}`,
  'longer than any SPIFFE ID': `spiffe://example.org/${'n'.repeat(3_000)}`,
};
const TOO_LONG = UNKNOWN['longer than any SPIFFE ID'];

const served: readonly Row[] = Object.entries(KINDS).map(([name, kind]) => ({
  rule: `${name} is a ${kind}, and nothing else`,
  fact: 2,
  needs: 'source',
  async run({ client }) {
    const { name: given, ...others } = secretOf(await client.stream().request([name]).next(), name);
    expect([given, ...Object.keys(others)]).toEqual([name, kind]);
  },
}));

const held: readonly Row[] = Object.entries(UNKNOWN).map(([what, name]) => ({
  rule: `a name ${what} is held, beside one that is answered`,
  fact: 9,
  needs: 'nothing',
  async run({ client, bundle, silent }) {
    const alone = client.stream().request([name]);
    const beside = client.stream().request([name, bundle]);
    expect(namesOf(await beside.accept())).toEqual([bundle]);
    await silent(alone, beside);
  },
}));

export const names: readonly Row[] = [
  ...served,
  {
    rule: 'every combination of them in one request is answered with just these',
    fact: 10,
    needs: 'source',
    async run({ client }) {
      const answers = await Promise.all(COMBINATIONS.map((combination) => client.stream().request(combination).next()));
      expect(answers.map(namesOf)).toEqual(COMBINATIONS);
    },
  },
  {
    rule: 'every combination of them in delta is answered with just these, each alone',
    fact: 12,
    needs: 'source',
    async run({ client }) {
      const answers = COMBINATIONS.map(async (combination) => {
        const stream = client.delta().subscribe(...combination);
        const got: string[] = [];
        while (got.length < combination.length) got.push((await stream.accept()).resources.map(({ name }) => name).join());
        return got;
      });
      expect(await Promise.all(answers)).toEqual(COMBINATIONS);
    },
  },
  {
    rule: 'an alias has the content of what it stands for',
    fact: 2,
    needs: 'source',
    async run({ client }) {
      const answer = await client.stream().request(['default', WEB]).next();
      expect(secretOf(answer, 'default').tls_certificate).toEqual(secretOf(answer, WEB).tls_certificate);
    },
  },
  {
    rule: 'an alias that is turned off is held',
    fact: 9,
    needs: 'source',
    config: 'names: { default_svid: "" }',
    async run({ client, silent }) {
      await silent(client.stream().request(['default']));
    },
  },
  {
    rule: 'an alias of another name is served under that',
    fact: 2,
    needs: 'source',
    config: 'names: { default_svid: workload }',
    async run({ client }) {
      expect(namesOf(await client.stream().request(['workload']).next())).toEqual(['workload']);
    },
  },
  ...held,
  {
    rule: 'a name longer than any SPIFFE ID is held in delta, also one that the client says it has, and one on demand',
    fact: 21,
    needs: 'source',
    config: 'names: { on_demand: ["*"] }',
    async run({ client, bundle, silent }) {
      const stream = client.delta().request({
        resource_names_subscribe: [TOO_LONG, `sni${TOO_LONG}`, bundle],
        initial_resource_versions: { [TOO_LONG]: '1' },
      });
      expect((await stream.accept()).resources.map(({ name }) => name)).toEqual([bundle]);
      stream.request({ resource_names_unsubscribe: [TOO_LONG] });
      await silent(stream);
    },
  },
  {
    rule: 'a name longer than any SPIFFE ID is not found by FetchSecrets',
    fact: 9,
    needs: 'nothing',
    async run({ client }) {
      await expect(client.fetch([TOO_LONG])).rejects.toMatchObject({ code: 5 });
    },
  },
  {
    rule: 'a name that is held is served once there is a secret of it',
    fact: 9,
    needs: 'source',
    async run({ client, silent, workloadApi }) {
      const stream = client.stream().request([`${TRUST_DOMAIN}/late`]);
      await silent(stream);
      await workloadApi.setIdentities([{ path: '/web' }, { path: '/late' }]);
      expect(namesOf(await stream.next())).toEqual([`${TRUST_DOMAIN}/late`]);
    },
  },
  {
    rule: 'a secret that is withdrawn is not taken from a stream that has it',
    fact: 9,
    needs: 'source',
    async run({ client, silent, workloadApi, after }) {
      const stream = client.stream().request([DB]);
      await stream.accept();
      await after(() => workloadApi.setIdentities([{ path: '/web' }]));
      await silent(stream);
    },
  },
  {
    rule: 'a secret that is withdrawn still stands in responses of a stream that has it',
    fact: 9,
    needs: 'source',
    async run({ client, workloadApi, after, rotate }) {
      const stream = client.stream().request([WEB, DB]);
      await stream.accept();
      await after(() => workloadApi.setIdentities([{ path: '/web' }]));
      await rotate();
      expect(namesOf(await stream.next())).toEqual([WEB, DB]);
    },
  },
  {
    rule: 'a secret that is withdrawn is held for a new stream',
    fact: 9,
    needs: 'source',
    async run({ client, silent, workloadApi, after }) {
      await after(() => workloadApi.setIdentities([{ path: '/web' }]));
      await silent(client.stream().request([DB]));
    },
  },
];
