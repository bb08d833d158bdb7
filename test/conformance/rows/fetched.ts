/** FetchSecrets. */
import { status } from '@grpc/grpc-js';
import { expect } from 'vitest';
import { SECRET_TYPE_URL } from '../../../src/secrets/secret.ts';
import { DB, namesOf, secretOf, serialOf, TRUST_DOMAIN, validatorOf, WEB } from '../read.ts';
import type { Row } from '../row.ts';

export const fetched: readonly Row[] = [
  {
    rule: 'brings the secrets that were asked for',
    fact: 10,
    needs: 'source',
    async run({ client }) {
      const response = await client.fetch([DB, 'ROOTCA']);
      expect([response.type_url, ...namesOf(response)]).toEqual([SECRET_TYPE_URL, DB, 'ROOTCA']);
    },
  },
  {
    rule: 'without names brings everything',
    fact: 5,
    needs: 'source',
    async run({ client }) {
      expect(namesOf(await client.fetch([]))).toEqual([WEB, DB, TRUST_DOMAIN]);
    },
  },
  {
    rule: 'without names is INVALID_ARGUMENT where the operator says so',
    fact: 5,
    needs: 'source',
    config: 'names: { answer_empty_request: false }',
    async run({ client }) {
      await expect(client.fetch([])).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    },
  },
  {
    rule: 'of a name that nobody knows is NOT_FOUND, never an empty answer',
    fact: 9,
    needs: 'source',
    async run({ client }) {
      await expect(client.fetch([WEB, 'no-such-secret'])).rejects.toMatchObject({
        code: status.NOT_FOUND,
        details: expect.stringContaining('no-such-secret'),
      });
    },
  },
  {
    rule: 'before there is any secret is UNAVAILABLE',
    fact: 22,
    needs: 'source',
    workload: { identities: [] },
    async run({ client }) {
      await expect(client.fetch([WEB])).rejects.toMatchObject({ code: status.UNAVAILABLE });
    },
  },
  {
    rule: 'of one name twice brings it once',
    fact: 8,
    needs: 'source',
    async run({ client }) {
      expect(namesOf(await client.fetch([WEB, WEB]))).toEqual([WEB]);
    },
  },
  {
    rule: 'brings the newest',
    fact: 13,
    needs: 'source',
    async run({ client, workloadApi, rotate }) {
      await rotate();
      expect(serialOf(await client.fetch([WEB]), WEB)).toBe(workloadApi.serials().get(WEB));
    },
  },
  {
    rule: 'brings the form that the node asks for',
    fact: 37,
    needs: 'source',
    async run({ client }) {
      const node = { metadata: { fields: { disable_spiffe_cert_validation: { bool_value: true } } } };
      expect(validatorOf(secretOf(await client.fetch(['ROOTCA'], { node }), 'ROOTCA'))).toBeUndefined();
    },
  },
  {
    rule: 'of another type is INVALID_ARGUMENT',
    fact: 8,
    needs: 'source',
    async run({ client }) {
      const type_url = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
      await expect(client.fetch([WEB], { type_url })).rejects.toMatchObject({ code: status.INVALID_ARGUMENT });
    },
  },
  {
    rule: 'of many names that nobody knows is NOT_FOUND in a few words',
    fact: 21,
    needs: 'source',
    async run({ client }) {
      const names = Array.from({ length: 1_000 }, (_, index) => `spiffe://example.org/no-such-workload-${index}`);
      await expect(client.fetch(names)).rejects.toMatchObject({ code: status.NOT_FOUND });
    },
  },
  {
    rule: 'of more names than a stream may ask for is RESOURCE_EXHAUSTED',
    fact: 21,
    needs: 'source',
    config: 'sds: { limits: { names_per_stream: 2 } }',
    async run({ client }) {
      await expect(client.fetch([WEB, DB, 'ROOTCA'])).rejects.toMatchObject({ code: status.RESOURCE_EXHAUSTED });
    },
  },
];
