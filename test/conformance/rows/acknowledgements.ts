/** ACKs in state of the world. */
import { expect } from 'vitest';
import { namesOf, serialOf, WEB } from '../read.ts';
import type { Row } from '../row.ts';

export const acknowledgements: readonly Row[] = [
  {
    rule: 'is not answered',
    fact: 13,
    needs: 'nothing',
    async run({ client, cert, silent }) {
      const stream = client.stream().request([cert]);
      await stream.accept();
      await silent(stream);
    },
  },
  {
    rule: 'with a node, as Envoy repeats it, is not answered',
    fact: 3,
    needs: 'nothing',
    async run({ client, cert, silent }) {
      const node = { id: 'envoy-1', cluster: 'edge' };
      const stream = client.stream().request([cert], { node });
      const { version_info, nonce } = await stream.next();
      stream.request([cert], { node, version_info, response_nonce: nonce });
      await silent(stream);
    },
  },
  {
    rule: 'without a version is an ACK',
    fact: 11,
    needs: 'nothing',
    async run({ client, cert, silent }) {
      const stream = client.stream().request([cert]);
      const { nonce } = await stream.next();
      stream.request([cert], { response_nonce: nonce });
      await silent(stream);
    },
  },
  {
    rule: 'is told by the absence of an error, whatever its version',
    fact: 11,
    needs: 'source',
    async run({ client, cert, running }) {
      const stream = client.stream().request([cert]);
      const { nonce } = await stream.next();
      stream.request([cert], { response_nonce: nonce, version_info: 'something else' });
      expect(await running.event('secrets_accepted')).toMatchObject({ nonce, secrets: [{ name: cert }] });
    },
  },
  {
    rule: 'leaves the stream open for the next content',
    fact: 13,
    needs: 'source',
    async run({ client, workloadApi, rotate }) {
      const stream = client.stream().request([WEB]);
      await stream.accept();
      await rotate();
      expect(serialOf(await stream.next(), WEB)).toBe(workloadApi.serials().get(WEB));
    },
  },
  {
    rule: 'that is still to come holds newer content back from nobody',
    fact: 13,
    needs: 'source',
    async run({ client, workloadApi, rotate }) {
      const stream = client.stream().request([WEB]);
      await stream.next();
      await rotate();
      expect(serialOf(await stream.next(), WEB)).toBe(workloadApi.serials().get(WEB));
    },
  },
  {
    rule: 'of an older response counts for that one, and is not answered',
    fact: 19,
    needs: 'source',
    async run({ client, rotate, silent, running }) {
      const stream = client.stream().request([WEB]);
      const older = await stream.next();
      await rotate();
      await stream.next();
      stream.ack(older);
      await silent(stream);
      expect(await running.event('secrets_accepted')).toMatchObject({ nonce: older.nonce });
    },
  },
  {
    rule: 'with a nonce that never was sent is none',
    fact: 19,
    needs: 'source',
    async run({ client, cert, silent, running }) {
      const stream = client.stream().request([cert]);
      const response = await stream.next();
      stream.ack({ ...response, nonce: 'never' });
      await silent(stream);
      expect(running.events.filter(({ type }) => type === 'secrets_accepted')).toEqual([]);
    },
  },
  {
    rule: 'that is repeated is answered once, with the same bytes: another listener waits',
    fact: 18,
    needs: 'source',
    async run({ client, cert }) {
      const stream = client.stream().request([cert]);
      const first = await stream.accept();
      const again = await stream.ack(first).next();
      expect(again).toEqual({ ...first, nonce: again.nonce });
    },
  },
  {
    rule: 'that is repeated gets a new nonce with its answer',
    fact: 18,
    needs: 'source',
    async run({ client, cert }) {
      const stream = client.stream().request([cert]);
      const first = await stream.accept();
      expect((await stream.ack(first).next()).nonce).not.toBe(first.nonce);
    },
  },
  {
    rule: 'of the answer to a repeated one is not answered',
    fact: 18,
    needs: 'source',
    async run({ client, cert, silent }) {
      const stream = client.stream().request([cert]);
      stream.ack(await stream.accept());
      await stream.accept();
      await silent(stream);
    },
  },
  {
    rule: 'that is repeated a third time is not answered again',
    fact: 18,
    needs: 'source',
    async run({ client, cert, silent }) {
      const stream = client.stream().request([cert]);
      const first = await stream.accept();
      await stream.ack(first).next();
      stream.ack(first);
      await silent(stream);
    },
  },
  {
    rule: 'that is repeated is answered with the newest, not with what it acknowledged',
    fact: 18,
    needs: 'source',
    async run({ client, workloadApi, rotate }) {
      const stream = client.stream().request([WEB]);
      await stream.accept();
      await rotate();
      const newest = await stream.accept();
      expect(serialOf(await stream.ack(newest).next(), WEB)).toBe(workloadApi.serials().get(WEB));
    },
  },
  {
    rule: 'that brings another name is an ACK, and its names are answered',
    fact: 19,
    needs: 'nothing',
    async run({ client, cert, bundle }) {
      const stream = client.stream().request([cert]);
      const { version_info, nonce } = await stream.next();
      const answer = await stream.request([cert, bundle], { version_info, response_nonce: nonce }).next();
      expect(namesOf(answer)).toContain(bundle);
    },
  },
];
