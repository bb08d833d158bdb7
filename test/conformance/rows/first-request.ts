/** The first request of a state-of-the-world stream. */
import { expect } from 'vitest';
import { namesOf } from '../read.ts';
import type { Row } from '../row.ts';

const LISTENER_WAITS = { identities: [] };

export const firstRequest: readonly Row[] = [
  {
    rule: 'as Envoy sends it, with a node and without version and nonce, is answered',
    fact: 3,
    needs: 'nothing',
    async run({ client, cert }) {
      const node = { id: 'envoy-1', cluster: 'edge', user_agent_name: 'envoy' };
      expect(namesOf(await client.stream().request([cert], { node }).next())).toEqual([cert]);
    },
  },
  {
    rule: 'without a node is answered',
    fact: 3,
    needs: 'nothing',
    async run({ client, cert }) {
      expect(namesOf(await client.stream().request([cert]).next())).toEqual([cert]);
    },
  },
  {
    rule: 'with a node of 60 KB is answered',
    fact: 3,
    needs: 'nothing',
    async run({ client, cert }) {
      const node = { id: 'envoy-1', metadata: { fields: { padding: { string_value: 'x'.repeat(60_000) } } } };
      expect(namesOf(await client.stream().request([cert], { node }).next())).toEqual([cert]);
    },
  },
  {
    rule: 'that says the current version is answered all the same',
    fact: 4,
    needs: 'nothing',
    async run({ client, cert }) {
      const { version_info } = await client.stream().request([cert]).accept();
      expect((await client.stream().request([cert], { version_info }).next()).version_info).toBe(version_info);
    },
  },
  {
    rule: 'with the nonce of an earlier stream is answered',
    fact: 4,
    needs: 'nothing',
    async run({ client, cert }) {
      const { nonce: response_nonce } = await client.stream().request([cert]).accept();
      expect(namesOf(await client.stream().request([cert], { response_nonce }).next())).toEqual([cert]);
    },
  },
  {
    rule: 'with both version and nonce of an earlier stream is answered',
    fact: 4,
    needs: 'nothing',
    async run({ client, connect, cert }) {
      const { version_info, nonce: response_nonce } = await client.stream().request([cert]).accept();
      expect(namesOf(await connect().stream().request([cert], { version_info, response_nonce }).next())).toEqual([cert]);
    },
  },
  {
    rule: 'with a version that never was is answered',
    fact: 4,
    needs: 'nothing',
    async run({ client, cert }) {
      expect(namesOf(await client.stream().request([cert], { version_info: 'v0' }).next())).toEqual([cert]);
    },
  },
  {
    rule: 'with an error of an earlier stream is answered',
    fact: 4,
    needs: 'nothing',
    async run({ client, cert }) {
      const error_detail = { code: 13, message: 'from before' };
      expect(namesOf(await client.stream().request([cert], { error_detail }).next())).toEqual([cert]);
    },
  },
  {
    rule: 'without a type is one for secrets',
    fact: 3,
    needs: 'source',
    async run({ client, cert }) {
      expect(namesOf(await client.stream().request([cert], { type_url: '' }).next())).toEqual([cert]);
    },
  },
  {
    rule: 'for another type gets no secret',
    fact: 8,
    needs: 'nothing',
    async run({ client, cert, silent }) {
      const stream = client.stream().request([cert], { type_url: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' });
      await silent();
      expect(stream.waiting).toBe(0);
    },
  },
  {
    rule: 'for another type is refused with INVALID_ARGUMENT',
    fact: 22,
    needs: 'source',
    async run({ client, cert }) {
      const stream = client.stream().request([cert], { type_url: 'type.googleapis.com/envoy.config.cluster.v3.Cluster' });
      expect(await stream.ended()).toMatchObject({ code: 'INVALID_ARGUMENT' });
    },
  },
  {
    rule: 'is followed by one for a type of 200 characters and half a surrogate pair, which harms no other stream',
    fact: 8,
    needs: 'nothing',
    async run({ client, connect, cert, silent }) {
      const stream = client.stream().request([cert]);
      await stream.accept();
      stream.request([cert], { type_url: `${'x'.repeat(199)}\u{1f512}` });
      await silent();
      expect(namesOf(await connect().stream().request([cert]).next())).toEqual([cert]);
    },
  },
  {
    rule: 'on each of a hundred streams of one connection is answered',
    fact: 1,
    needs: 'nothing',
    async run({ client, cert, bundle }) {
      const asked = Array.from({ length: 100 }, (_, index) => (index % 2 === 0 ? cert : bundle));
      const answers = await Promise.all(asked.map((name) => client.stream().request([name]).next()));
      expect(answers.flatMap(namesOf)).toEqual(asked);
    },
  },
  {
    rule: 'of a second Envoy with the same node id is answered like the first',
    fact: 6,
    needs: 'nothing',
    async run({ client, connect, cert }) {
      const node = { id: 'envoy-1' };
      const { version_info } = await client.stream().request([cert], { node }).accept();
      expect((await connect().stream().request([cert], { node }).next()).version_info).toBe(version_info);
    },
  },
  {
    rule: 'before there is any secret is held, and answered when there is one',
    fact: 22,
    needs: 'source',
    workload: LISTENER_WAITS,
    async run({ client, cert, silent, workloadApi }) {
      const stream = client.stream().request([cert]);
      await silent(stream);
      await workloadApi.setIdentities([{ path: '/web' }]);
      expect(namesOf(await stream.next())).toEqual([cert]);
    },
  },
  {
    rule: 'without names, before there is any secret, is held, and answered when there is one',
    fact: 22,
    needs: 'source',
    workload: LISTENER_WAITS,
    async run({ client, silent, workloadApi }) {
      const stream = client.stream().request([]);
      await silent(stream);
      await workloadApi.setIdentities([{ path: '/web' }]);
      // Bundles have a stream of their own, and may come first.
      let served = namesOf(await stream.next());
      while (!served.includes('spiffe://example.org/web')) served = namesOf(await stream.next());
      expect(served).toContain('spiffe://example.org');
    },
  },
];
