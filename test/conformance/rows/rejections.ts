/** NACKs of one secret in state of the world. */
import { expect } from 'vitest';
import type { X509SVIDResponse } from '../../../src/gen/messages.ts';
import { DB, namesOf, serialOf, WEB } from '../read.ts';
import type { Row, Source } from '../row.ts';

const PEM = '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\n-----END PRIVATE KEY-----';

/** What the Workload API says now. */
function current(workloadApi: Source['workloadApi']): X509SVIDResponse {
  let said: X509SVIDResponse | undefined;
  workloadApi.send((response) => {
    said = response;
    return response;
  });
  return said as X509SVIDResponse;
}

export const rejections: readonly Row[] = [
  {
    rule: 'is not answered with the bytes that it rejects',
    fact: 11,
    needs: 'nothing',
    async run({ client, cert, silent }) {
      const stream = client.stream().request([cert]);
      stream.nack(await stream.next(), 'no');
      await silent(stream);
    },
  },
  {
    rule: 'that is repeated is not answered',
    fact: 11,
    needs: 'nothing',
    async run({ client, cert, silent }) {
      const stream = client.stream().request([cert]);
      const response = await stream.next();
      stream.nack(response, 'no').nack(response, 'no');
      await silent(stream);
    },
  },
  {
    rule: 'is told by its error, although it says the version that it rejects',
    fact: 11,
    needs: 'source',
    async run({ client, cert, running, silent }) {
      const stream = client.stream().request([cert]);
      const { version_info, nonce } = await stream.next();
      stream.request([cert], { version_info, response_nonce: nonce, error_detail: { code: 13, message: 'no' } });
      await silent(stream);
      expect(await running.event('secrets_rejected')).toMatchObject({ nonce });
    },
  },
  {
    rule: 'is one although its error has neither code nor message',
    fact: 11,
    needs: 'source',
    async run({ client, cert, running }) {
      const stream = client.stream().request([cert]);
      const { nonce } = await stream.next();
      stream.request([cert], { response_nonce: nonce, error_detail: {} });
      expect(await running.event('secrets_rejected')).toMatchObject({ nonce });
    },
  },
  {
    rule: 'is followed by new content when there is some',
    fact: 11,
    needs: 'source',
    async run({ client, workloadApi, rotate }) {
      const stream = client.stream().request([WEB]);
      stream.nack(await stream.next(), 'no');
      await rotate();
      expect(serialOf(await stream.next(), WEB)).toBe(workloadApi.serials().get(WEB));
    },
  },
  {
    rule: 'does not hold back another name',
    fact: 12,
    needs: 'nothing',
    async run({ client, cert, bundle }) {
      const stream = client.stream().request([cert]);
      stream.nack(await stream.next(), 'no');
      expect(namesOf(await stream.request([cert, bundle]).next())).toContain(bundle);
    },
  },
  {
    rule: 'of the only content there was keeps it out of later responses',
    fact: 11,
    needs: 'source',
    async run({ client, cert, bundle }) {
      const stream = client.stream().request([cert]);
      stream.nack(await stream.next(), 'no');
      expect(namesOf(await stream.request([cert, bundle]).next())).toEqual([bundle]);
    },
  },
  {
    rule: 'of newer content makes later responses carry the last good one',
    fact: 9,
    needs: 'source',
    async run({ client, bundle, rotate }) {
      const stream = client.stream().request([WEB]);
      const good = serialOf(await stream.accept(), WEB);
      await rotate();
      stream.nack(await stream.next(), 'no');
      await stream.accept();
      const answer = await stream.request([WEB, bundle]).next();
      expect(namesOf(answer)).toEqual([WEB, bundle]);
      expect(serialOf(answer, WEB)).toBe(good);
    },
  },
  {
    rule: 'is over when the content goes back to what was good before',
    fact: 11,
    needs: 'source',
    async run({ client, workloadApi, rotate, after }) {
      const stream = client.stream().request([WEB]);
      const good = serialOf(await stream.accept(), WEB);
      const before = current(workloadApi);
      await rotate();
      stream.nack(await stream.next(), 'no');
      await after(() => workloadApi.send(() => before));
      expect(serialOf(await stream.next(), WEB)).toBe(good);
    },
  },
  {
    rule: 'of content that was replaced already says nothing against the newest',
    fact: 11,
    needs: 'source',
    async run({ client, workloadApi, rotate, bundle }) {
      const stream = client.stream().request([WEB]);
      const older = await stream.next();
      await rotate();
      const newest = await stream.next();
      stream.nack(older, 'no');
      const answer = await stream.request([WEB, bundle], { response_nonce: newest.nonce }).next();
      expect(serialOf(answer, WEB)).toBe(workloadApi.serials().get(WEB));
    },
  },
  {
    rule: 'with a nonce that never was sent rejects nothing',
    fact: 19,
    needs: 'source',
    async run({ client, cert, silent, running }) {
      const stream = client.stream().request([cert]);
      stream.nack({ ...(await stream.next()), nonce: 'never' }, 'no');
      await silent(stream);
      expect(running.events.filter(({ type }) => type === 'secrets_rejected')).toEqual([]);
    },
  },
  {
    rule: 'on one stream keeps nothing from another',
    fact: 6,
    needs: 'nothing',
    async run({ client, connect, cert }) {
      const stream = client.stream().request([cert]);
      const rejected = await stream.next();
      stream.nack(rejected, 'no');
      expect((await connect().stream().request([cert]).next()).version_info).toBe(rejected.version_info);
    },
  },
  {
    rule: 'of one name lets the rotation of another through',
    fact: 12,
    needs: 'source',
    async run({ client, workloadApi, rotate }) {
      const [web, db] = [client.stream().request([WEB]), client.stream().request([DB])];
      web.nack(await web.next(), 'no');
      await db.accept();
      await rotate();
      expect(serialOf(await db.next(), DB)).toBe(workloadApi.serials().get(DB));
    },
  },
  {
    rule: 'is told without the PEM in its text',
    fact: 12,
    needs: 'source',
    async run({ client, cert, running }) {
      const stream = client.stream().request([cert]);
      stream.nack(await stream.next(), `Failed to load private key ${PEM}`);
      const { reason } = await running.event('secrets_rejected');
      expect(reason).toContain('Failed to load private key');
      expect(JSON.stringify(running.events)).not.toContain('MIGHAgEA');
    },
  },
  {
    rule: 'is told without the dumped message in its text',
    fact: 12,
    needs: 'source',
    async run({ client, cert, running }) {
      const stream = client.stream().request([cert]);
      stream.nack(await stream.next(), 'goo.gle/debugstr name: "x" tls_certificate { private_key { inline_bytes: "hush" } }');
      await running.event('secrets_rejected');
      expect(JSON.stringify(running.events)).not.toContain('hush');
    },
  },
];
