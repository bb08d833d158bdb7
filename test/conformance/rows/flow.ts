/** Readers that stop, limits, and the end. */
import { existsSync } from 'node:fs';
import { expect } from 'vitest';
import { leafOf, namesOf, onlySecret, serialOf, WEB } from '../read.ts';
import type { Row } from '../row.ts';

const ROTATIONS = 60;

export const flow: readonly Row[] = [
  {
    rule: 'a reader that stops gets the newest when it goes on, and few of those between',
    fact: 13,
    needs: 'source',
    async run({ client, connect, rotate, workloadApi, silent }) {
      const stopped = connect().stream().request([WEB]);
      await stopped.accept();
      stopped.pause();
      const witness = client.stream().request([WEB]);
      await witness.accept();
      for (let i = 0; i < ROTATIONS; i++) await Promise.all([rotate(), witness.accept()]);
      stopped.resume();
      const newest = workloadApi.serials().get(WEB);
      while (serialOf(await stopped.accept(), WEB) !== newest);
      await silent(stopped);
    },
  },
  {
    rule: 'a reader that stops in delta gets the newest when it goes on',
    fact: 13,
    needs: 'source',
    async run({ client, connect, rotate, workloadApi, silent }) {
      const stopped = connect().delta().subscribe(WEB);
      await stopped.accept();
      stopped.pause();
      const witness = client.delta().subscribe(WEB);
      await witness.accept();
      for (let i = 0; i < ROTATIONS; i++) await Promise.all([rotate(), witness.accept()]);
      stopped.resume();
      const newest = workloadApi.serials().get(WEB);
      while (leafOf(onlySecret(await stopped.accept())).serialNumber !== newest);
      await silent(stopped);
    },
  },
  {
    rule: 'a reader that stops holds no other stream of its connection up',
    fact: 6,
    needs: 'source',
    async run({ client, rotate, workloadApi }) {
      const [stopped, other] = [client.stream().request([WEB]), client.stream().request([WEB])];
      await Promise.all([stopped.accept(), other.accept()]);
      stopped.pause();
      await rotate();
      expect(serialOf(await other.next(), WEB)).toBe(workloadApi.serials().get(WEB));
    },
  },
  {
    rule: 'a client that never answers is served all the same, again and again',
    fact: 13,
    needs: 'source',
    async run({ client, rotate, workloadApi }) {
      const stream = client.stream().request([WEB]);
      await stream.next();
      for (let i = 0; i < 20; i++) {
        await rotate();
        expect(serialOf(await stream.next(), WEB)).toBe(workloadApi.serials().get(WEB));
      }
    },
  },
  ...(['stream', 'aggregated'] as const).map(
    (kind): Row => ({
      rule: `one name too many ends the ${kind === 'stream' ? '' : 'aggregated '}stream with RESOURCE_EXHAUSTED, and names the limit`,
      fact: 21,
      needs: 'source',
      config: 'sds: { limits: { names_per_stream: 2 } }',
      async run({ client }) {
        const stream = client[kind]().request(['a', 'b', 'c']);
        expect(await stream.ended()).toMatchObject({
          code: 'RESOURCE_EXHAUSTED',
          details: expect.stringContaining('sds.limits.names_per_stream'),
        });
      },
    }),
  ),
  {
    rule: 'delta: names that add up to one too many end the stream with RESOURCE_EXHAUSTED',
    fact: 21,
    needs: 'source',
    config: 'sds: { limits: { names_per_stream: 2 } }',
    async run({ client }) {
      const stream = client.delta().subscribe('a', 'b').subscribe('c');
      expect(await stream.ended()).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
    },
  },
  {
    rule: 'delta: names that were unsubscribed from count no more',
    fact: 21,
    needs: 'source',
    config: 'sds: { limits: { names_per_stream: 2 } }',
    async run({ client, cert }) {
      const stream = client.delta().subscribe('a', 'b').unsubscribe('a', 'b').subscribe(cert);
      expect(onlySecret(await stream.next()).name).toBe(cert);
    },
  },
  {
    rule: 'delta: names that the same request unsubscribes from count no more',
    fact: 21,
    needs: 'source',
    config: 'sds: { limits: { names_per_stream: 2 } }',
    async run({ client, cert }) {
      const stream = client.delta().subscribe('a', 'b');
      stream.request({ resource_names_unsubscribe: ['a'], resource_names_subscribe: [cert] });
      expect(onlySecret(await stream.next()).name).toBe(cert);
    },
  },
  {
    rule: 'a request that is too large ends its stream with RESOURCE_EXHAUSTED, and no other',
    fact: 21,
    needs: 'source',
    config: 'sds: { limits: { request_bytes: 64KiB } }',
    async run({ client, cert, bundle }) {
      const other = client.stream().request([cert]);
      await other.accept();
      const large = client.stream().request(['x'.repeat(65_536)]);
      expect(await large.ended()).toMatchObject({ code: 'RESOURCE_EXHAUSTED' });
      expect(namesOf(await other.request([cert, bundle]).next())).toContain(bundle);
    },
  },
  {
    rule: 'shutdown ends every kind of stream with UNAVAILABLE, so that Envoy comes again',
    fact: 22,
    needs: 'source',
    async run({ client, cert, running }) {
      const streams = [client.stream().request([cert]), client.aggregated().request([cert])];
      const deltas = [client.delta().subscribe(cert), client.aggregatedDelta().subscribe(cert)];
      await Promise.all([...streams, ...deltas].map((stream) => stream.accept()));
      const ends = Promise.all([...streams, ...deltas].map((stream) => stream.ended()));
      await running.stop();
      expect((await ends).map(({ code }) => code)).toEqual(Array(4).fill('UNAVAILABLE'));
    },
  },
  {
    rule: 'shutdown removes the socket',
    fact: 38,
    needs: 'source',
    async run({ socket, running }) {
      await running.stop();
      expect(existsSync(socket)).toBe(false);
    },
  },
  {
    rule: 'shutdown ends a stream that waits for its first secret',
    fact: 22,
    needs: 'source',
    async run({ client, running, silent }) {
      const stream = client.stream().request(['no-such-secret']);
      await silent(stream);
      const [end] = await Promise.all([stream.ended(), running.stop()]);
      expect(end).toMatchObject({ code: 'UNAVAILABLE' });
    },
  },
];
