/** Subscriptions to everything. */
import { expect } from 'vitest';
import type { DeltaStream } from '../../support/sds/sds-client.ts';
import { DB, namesOf, TRUST_DOMAIN, WEB } from '../read.ts';
import type { Row } from '../row.ts';

const EVERYTHING = [WEB, DB, TRUST_DOMAIN];

async function resourceNames(stream: DeltaStream, count: number): Promise<readonly string[]> {
  const got: string[] = [];
  while (got.length < count) got.push(...(await stream.accept()).resources.map(({ name }) => name));
  return got;
}

export const wildcard: readonly Row[] = [
  {
    rule: 'a first request without names gets every secret once, by its SPIFFE ID',
    fact: 5,
    needs: 'source',
    async run({ client }) {
      expect(namesOf(await client.stream().request([]).next())).toEqual(EVERYTHING);
    },
  },
  {
    rule: 'the ACK of everything, without names as it is, unsubscribes from nothing',
    fact: 5,
    needs: 'source',
    async run({ client, rotate }) {
      const stream = client.stream().request([]);
      await stream.accept();
      await rotate();
      expect(namesOf(await stream.next())).toEqual(EVERYTHING);
    },
  },
  {
    rule: 'a new identity joins everything',
    fact: 5,
    needs: 'source',
    async run({ client, workloadApi }) {
      const stream = client.stream().request([]);
      await stream.accept();
      await workloadApi.setIdentities([{ path: '/web' }, { path: '/db' }, { path: '/late' }]);
      expect(namesOf(await stream.next())).toContain(`${TRUST_DOMAIN}/late`);
    },
  },
  {
    rule: 'names after everything are a subscription to these only',
    fact: 5,
    needs: 'source',
    async run({ client, rotate }) {
      const stream = client.stream().request([]);
      await stream.accept();
      stream.request([DB]);
      await rotate();
      expect(namesOf(await stream.next())).toEqual([DB]);
    },
  },
  {
    rule: 'a first request without names gets nothing where the operator says so',
    fact: 5,
    needs: 'source',
    config: 'names: { answer_empty_request: false }',
    async run({ client, silent }) {
      await silent(client.stream().request([]), client.delta().request({}));
    },
  },
  {
    rule: 'names that follow a first request without any are answered',
    fact: 5,
    needs: 'source',
    config: 'names: { answer_empty_request: false }',
    async run({ client }) {
      expect(namesOf(await client.stream().request([]).request([WEB]).next())).toEqual([WEB]);
    },
  },
  {
    rule: 'delta: "*" gets every secret once, each alone',
    fact: 5,
    needs: 'source',
    async run({ client, silent }) {
      const stream = client.delta().subscribe('*');
      expect(await resourceNames(stream, EVERYTHING.length)).toEqual(EVERYTHING);
      await silent(stream);
    },
  },
  {
    rule: 'delta: a first request without names is one for "*"',
    fact: 5,
    needs: 'source',
    async run({ client }) {
      expect(await resourceNames(client.delta().request({}), EVERYTHING.length)).toEqual(EVERYTHING);
    },
  },
  {
    rule: 'delta: a name beside "*" is answered too',
    fact: 5,
    needs: 'source',
    async run({ client }) {
      const stream = client.delta().subscribe('*', 'ROOTCA');
      expect(await resourceNames(stream, EVERYTHING.length + 1)).toContain('ROOTCA');
    },
  },
  {
    rule: 'delta: a new identity joins "*", alone',
    fact: 5,
    needs: 'source',
    async run({ client, workloadApi, silent }) {
      const stream = client.delta().subscribe('*');
      await resourceNames(stream, EVERYTHING.length);
      await workloadApi.setIdentities([{ path: '/web' }, { path: '/db' }, { path: '/late' }]);
      expect(await resourceNames(stream, 1)).toEqual([`${TRUST_DOMAIN}/late`]);
      await silent(stream);
    },
  },
  {
    rule: 'delta: an identity that is withdrawn is removed from "*"',
    fact: 17,
    needs: 'source',
    async run({ client, workloadApi }) {
      const stream = client.delta().subscribe('*');
      await resourceNames(stream, EVERYTHING.length);
      await workloadApi.setIdentities([{ path: '/web' }]);
      expect((await stream.next()).removed_resources).toEqual([DB]);
    },
  },
  {
    rule: 'delta: after unsubscribing from "*" there is no rotation',
    fact: 19,
    needs: 'source',
    async run({ client, silent, rotate }) {
      const stream = client.delta().subscribe('*');
      await resourceNames(stream, EVERYTHING.length);
      stream.unsubscribe('*');
      await silent(stream);
      await rotate();
      await silent(stream);
    },
  },
  {
    rule: 'delta: names that were asked for by themselves stay when "*" goes',
    fact: 19,
    needs: 'source',
    async run({ client, silent, rotate }) {
      const stream = client.delta().subscribe('*', DB);
      await resourceNames(stream, EVERYTHING.length);
      stream.unsubscribe('*');
      await silent(stream);
      await rotate();
      expect(await resourceNames(stream, 1)).toEqual([DB]);
      await silent(stream);
    },
  },
];
