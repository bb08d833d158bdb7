/** Which names a state-of-the-world stream is subscribed to. */
import { expect } from 'vitest';
import { namesOf, serialOf, WEB } from '../read.ts';
import type { Row } from '../row.ts';

export const subscriptions: readonly Row[] = [
  {
    rule: 'a name that is added is answered',
    fact: 1,
    needs: 'nothing',
    async run({ client, cert, bundle }) {
      const stream = client.stream().request([cert]);
      await stream.accept();
      expect(namesOf(await stream.request([cert, bundle]).next())).toContain(bundle);
    },
  },
  {
    rule: 'the answer to a name that is added carries those that were sent before',
    fact: 9,
    needs: 'nothing',
    async run({ client, cert, bundle }) {
      const stream = client.stream().request([cert]);
      await stream.accept();
      expect([...namesOf(await stream.request([cert, bundle]).next())].sort()).toEqual([bundle, cert].sort());
    },
  },
  {
    rule: 'a rotation is answered with all names that were sent before',
    fact: 9,
    needs: 'source',
    async run({ client, bundle, rotate }) {
      const stream = client.stream().request([bundle, WEB]);
      await stream.accept();
      await rotate();
      expect(namesOf(await stream.next())).toEqual([bundle, WEB]);
    },
  },
  {
    rule: 'a name that takes the place of another is answered, without that one',
    fact: 10,
    needs: 'nothing',
    async run({ client, cert, bundle }) {
      const stream = client.stream().request([cert]);
      await stream.accept();
      expect(namesOf(await stream.request([bundle]).next())).toEqual([bundle]);
    },
  },
  {
    rule: 'a shorter list is not answered',
    fact: 5,
    needs: 'nothing',
    async run({ client, cert, bundle, silent }) {
      const stream = client.stream().request([cert, bundle]);
      const { version_info, nonce } = await stream.accept();
      stream.request([bundle], { version_info, response_nonce: nonce });
      await silent(stream);
    },
  },
  {
    rule: 'another order of the same names is not answered',
    fact: 13,
    needs: 'source',
    async run({ client, cert, bundle, silent }) {
      const stream = client.stream().request([cert, bundle]);
      await stream.accept();
      stream.request([bundle, cert]);
      await silent(stream);
    },
  },
  {
    rule: 'an empty list after names unsubscribes from all, and is not answered',
    fact: 5,
    needs: 'nothing',
    async run({ client, cert, silent }) {
      const stream = client.stream().request([cert]);
      const { version_info, nonce } = await stream.accept();
      stream.request([], { version_info, response_nonce: nonce });
      await silent(stream);
    },
  },
  {
    rule: 'a stream that unsubscribed from all hears of no rotation',
    fact: 5,
    needs: 'source',
    async run({ client, silent, rotate }) {
      const stream = client.stream().request([WEB]);
      await stream.accept();
      stream.request([]);
      await silent(stream);
      await rotate();
      await silent(stream);
    },
  },
  {
    rule: 'a name that is dropped hears of no rotation',
    fact: 10,
    needs: 'source',
    async run({ client, bundle, silent, rotate }) {
      const stream = client.stream().request([WEB, bundle]);
      await stream.accept();
      stream.request([bundle]);
      await silent(stream);
      await rotate();
      await silent(stream);
    },
  },
  {
    rule: 'a name that comes back after all were dropped is answered, unchanged as it is',
    fact: 5,
    needs: 'nothing',
    async run({ client, cert, silent }) {
      const stream = client.stream().request([cert]);
      const first = await stream.accept();
      stream.request([], { response_nonce: first.nonce });
      await silent(stream);
      const again = await stream.request([cert], { version_info: first.version_info, response_nonce: first.nonce }).next();
      expect(again.resources).toEqual(first.resources);
    },
  },
  {
    rule: 'a name that comes back while another stayed is answered',
    fact: 5,
    needs: 'nothing',
    async run({ client, cert, bundle, silent }) {
      const stream = client.stream().request([cert, bundle]);
      await stream.accept();
      stream.request([bundle]);
      await silent(stream);
      expect(namesOf(await stream.request([bundle, cert]).next())).toContain(cert);
    },
  },
  {
    rule: 'a change counts whatever its nonce when every response is answered',
    fact: 19,
    needs: 'source',
    async run({ client, cert, bundle }) {
      const stream = client.stream().request([cert]);
      await stream.accept();
      expect(namesOf(await stream.request([cert, bundle], { response_nonce: 'stale' }).next())).toContain(bundle);
    },
  },
  {
    rule: 'a change after a NACK counts with the nonce of the response that was accepted last, as unified mux says it',
    fact: 19,
    needs: 'source',
    async run({ client, rotate, silent }) {
      const stream = client.stream().request(['default']);
      const { nonce: response_nonce } = await stream.accept();
      await rotate();
      for (let times = 0; times < 3; times++) stream.nack(await stream.next(), 'no');
      await silent(stream);
      expect(namesOf(await stream.request(['default', 'ROOTCA'], { response_nonce }).next())).toContain('ROOTCA');
    },
  },
  {
    rule: 'a change with the nonce of an older response is not taken, the answer to the newest brings it',
    fact: 19,
    needs: 'source',
    async run({ client, rotate, running, silent }) {
      const stream = client.stream().request(['default']);
      const { nonce: response_nonce } = await stream.next();
      await rotate();
      const newest = await stream.next();
      stream.request(['default', 'ROOTCA'], { response_nonce });
      await running.event('secrets_accepted');
      await silent(stream);
      expect(namesOf(await stream.ack(newest).next())).toContain('ROOTCA');
    },
  },
  {
    rule: 'a list that shrinks with the nonce of an older response is not taken',
    fact: 19,
    needs: 'source',
    async run({ client, rotate, running }) {
      const stream = client.stream().request(['default']);
      const { nonce: response_nonce } = await stream.next();
      await rotate();
      const newest = await stream.next();
      stream.request([], { response_nonce });
      await running.event('secrets_accepted');
      await rotate();
      expect(namesOf(await stream.request(['default'], { response_nonce: newest.nonce }).next())).toEqual(['default']);
    },
  },
  {
    rule: 'a change counts before the response to the first request was acknowledged',
    fact: 19,
    needs: 'nothing',
    async run({ client, cert, bundle }) {
      const stream = client.stream().request([cert]).request([cert, bundle]);
      let seen = namesOf(await stream.accept());
      while (!seen.includes(bundle)) seen = namesOf(await stream.accept());
      expect(seen).toContain(cert);
    },
  },
  {
    rule: 'a name that stands twice is one resource',
    fact: 8,
    needs: 'nothing',
    async run({ client, cert }) {
      expect(namesOf(await client.stream().request([cert, cert]).next())).toEqual([cert]);
    },
  },
  {
    rule: 'two streams for one name both hear of a rotation',
    fact: 6,
    needs: 'source',
    async run({ client, connect, workloadApi, rotate }) {
      const streams = [client.stream().request([WEB]), connect().stream().request([WEB])];
      for (const stream of streams) await stream.accept();
      await rotate();
      const serials = await Promise.all(streams.map(async (stream) => serialOf(await stream.next(), WEB)));
      expect(serials).toEqual(streams.map(() => workloadApi.serials().get(WEB)));
    },
  },
  {
    rule: 'a stream that its client ends is ended with OK',
    fact: 5,
    needs: 'nothing',
    async run({ client, cert }) {
      const stream = client.stream().request([cert]);
      await stream.accept();
      stream.close();
      expect(await stream.ended()).toMatchObject({ code: 'OK' });
    },
  },
  {
    rule: 'a stream that its client resets disturbs no other',
    fact: 5,
    needs: 'nothing',
    async run({ client, cert, bundle }) {
      const [gone, stays] = [client.stream().request([cert]), client.stream().request([cert])];
      await Promise.all([gone.accept(), stays.accept()]);
      gone.cancel();
      expect(namesOf(await stays.request([cert, bundle]).next())).toContain(bundle);
    },
  },
];
