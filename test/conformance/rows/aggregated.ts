/** Aggregated streams: secrets beside types that are not served here. */
import { expect } from 'vitest';
import { leafOf, namesOf, onlySecret, secretOf, serialOf, validatorOf, WEB } from '../read.ts';
import type { Row } from '../row.ts';

const CLUSTER = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
const LISTENER = 'type.googleapis.com/envoy.config.listener.v3.Listener';
const PLAIN = { id: 'envoy-1', metadata: { fields: { disable_spiffe_cert_validation: { bool_value: true } } } };

export const aggregated: readonly Row[] = [
  {
    rule: 'secrets are served in state of the world',
    fact: 1,
    needs: 'source',
    async run({ client, cert, bundle }) {
      expect(namesOf(await client.aggregated().request([cert, bundle]).next())).toEqual([cert, bundle]);
    },
  },
  {
    rule: 'secrets are served in delta',
    fact: 1,
    needs: 'source',
    async run({ client, cert }) {
      expect(onlySecret(await client.aggregatedDelta().subscribe(cert).next()).name).toBe(cert);
    },
  },
  {
    rule: 'a rotation reaches both',
    fact: 16,
    needs: 'source',
    async run({ client, workloadApi, rotate }) {
      const [sotw, delta] = [client.aggregated().request([WEB]), client.aggregatedDelta().subscribe(WEB)];
      await Promise.all([sotw.accept(), delta.accept()]);
      await rotate();
      const serials = [serialOf(await sotw.next(), WEB), leafOf(onlySecret(await delta.next())).serialNumber];
      expect(serials).toEqual(Array(2).fill(workloadApi.serials().get(WEB)));
    },
  },
  {
    rule: 'another type is answered with nothing',
    fact: 8,
    needs: 'source',
    async run({ client, silent }) {
      const sotw = client.aggregated().request([], { type_url: CLUSTER });
      const delta = client.aggregatedDelta().request({ type_url: CLUSTER, resource_names_subscribe: ['*'] });
      await silent(sotw, delta);
    },
  },
  {
    rule: 'another type before the first secret leaves that the first request',
    fact: 5,
    needs: 'source',
    async run({ client, cert }) {
      const stream = client.aggregated().request([], { type_url: CLUSTER }).request([], { type_url: LISTENER });
      expect(namesOf(await stream.request([cert]).next())).toEqual([cert]);
    },
  },
  {
    rule: 'another type between response and ACK changes no subscription',
    fact: 5,
    needs: 'source',
    async run({ client, workloadApi, rotate }) {
      const stream = client.aggregated().request([WEB]);
      const response = await stream.next();
      stream.request([], { type_url: LISTENER, response_nonce: response.nonce });
      stream.request([WEB], { version_info: response.version_info, response_nonce: response.nonce });
      await rotate();
      expect(serialOf(await stream.next(), WEB)).toBe(workloadApi.serials().get(WEB));
    },
  },
  {
    rule: 'a NACK of another type rejects no secret',
    fact: 11,
    needs: 'source',
    async run({ client, cert, silent, running }) {
      const stream = client.aggregated().request([cert]);
      const { nonce } = await stream.next();
      stream.request([cert], { type_url: CLUSTER, response_nonce: nonce, error_detail: { code: 13, message: 'no' } });
      await silent(stream);
      expect(running.events.filter(({ type }) => type === 'secrets_rejected')).toEqual([]);
    },
  },
  {
    rule: 'another type is told once, however often it is asked for',
    fact: 1,
    needs: 'source',
    async run({ client, silent, running }) {
      const stream = client.aggregated();
      for (let i = 0; i < 10; i++) stream.request([], { type_url: CLUSTER });
      await silent(stream);
      expect(running.events.filter(({ type }) => type === 'type_ignored')).toHaveLength(1);
    },
  },
  {
    rule: 'a node that came with another type counts for the secrets: Envoy may say it only once',
    fact: 3,
    needs: 'source',
    async run({ client }) {
      const stream = client.aggregated().request([], { type_url: CLUSTER, node: PLAIN });
      expect(validatorOf(secretOf(await stream.request(['ROOTCA']).next(), 'ROOTCA'))).toBeUndefined();
    },
  },
  {
    rule: 'a node that came with another type counts in delta too',
    fact: 3,
    needs: 'source',
    async run({ client }) {
      const stream = client.aggregatedDelta().request({ type_url: CLUSTER, node: PLAIN, resource_names_subscribe: ['*'] });
      expect(validatorOf(onlySecret(await stream.subscribe('ROOTCA').next()))).toBeUndefined();
    },
  },
  {
    rule: 'names that shrink to none and come back are answered on the living stream',
    fact: 5,
    needs: 'source',
    async run({ client, cert, bundle, silent }) {
      const stream = client.aggregated().request([cert, bundle]);
      const first = await stream.accept();
      stream.request([cert]).request([]);
      await silent(stream);
      expect((await stream.request([cert, bundle]).next()).resources).toEqual(first.resources);
    },
  },
  {
    rule: 'delta: a listener that is removed and added again is answered',
    fact: 18,
    needs: 'source',
    async run({ client, cert }) {
      const stream = client.aggregatedDelta().subscribe(cert);
      const first = await stream.accept();
      expect((await stream.unsubscribe(cert).subscribe(cert).next()).resources).toEqual(first.resources);
    },
  },
];
