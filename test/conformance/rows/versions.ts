/** Nonces, and versions as hashes of content. */
import { expect } from 'vitest';
import { serialOf, WEB } from '../read.ts';
import type { Row } from '../row.ts';

/** DER certificates one after the other: their lengths take two bytes. */
function reversed(bundle: Uint8Array): Uint8Array {
  const bytes = Buffer.from(bundle);
  const certificates: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt16BE(at + 2);
    certificates.unshift(bytes.subarray(at, end));
    at = end;
  }
  return Buffer.concat(certificates);
}

export const versions: readonly Row[] = [
  {
    rule: 'a response has a nonce and a version',
    fact: 8,
    needs: 'nothing',
    async run({ client, cert }) {
      const { nonce, version_info } = await client.stream().request([cert]).next();
      expect([nonce, version_info]).not.toContain('');
    },
  },
  {
    rule: 'no two responses of a stream have the same nonce',
    fact: 18,
    needs: 'source',
    async run({ client, rotate }) {
      const stream = client.stream().request([WEB]);
      const nonces = [(await stream.accept()).nonce];
      for (let i = 0; i < 3; i++) {
        await rotate();
        nonces.push((await stream.accept()).nonce);
      }
      expect(new Set(nonces).size).toBe(4);
    },
  },
  {
    rule: 'the nonce of one stream answers nothing on another',
    fact: 6,
    needs: 'source',
    async run({ client, rotate, bundle, running, silent }) {
      const [one, other] = [client.stream().request([WEB]), client.stream().request([bundle])];
      await one.next();
      await other.next();
      await rotate();
      await one.next();
      await rotate();
      const third = await one.next();
      other.ack(third);
      await silent(one, other);
      expect(running.events.filter(({ type }) => type === 'secrets_accepted')).toEqual([]);
    },
  },
  {
    rule: 'the version is the same on another stream',
    fact: 13,
    needs: 'nothing',
    async run({ client, cert }) {
      const [one, other] = [await client.stream().request([cert]).next(), await client.stream().request([cert]).next()];
      expect(one.version_info).toBe(other.version_info);
    },
  },
  {
    rule: 'the bytes are the same on another connection',
    fact: 13,
    needs: 'nothing',
    async run({ client, connect, cert, bundle }) {
      const one = await client.stream().request([cert, bundle]).next();
      const other = await connect().stream().request([cert, bundle]).next();
      expect(one.resources).toEqual(other.resources);
    },
  },
  {
    rule: 'another content has another version',
    fact: 13,
    needs: 'source',
    async run({ client, rotate }) {
      const stream = client.stream().request([WEB]);
      const { version_info } = await stream.accept();
      await rotate();
      expect((await stream.next()).version_info).not.toBe(version_info);
    },
  },
  {
    rule: 'the same content in a new message of the Workload API is not sent again',
    fact: 13,
    needs: 'source',
    async run({ client, workloadApi, after, silent, cert, bundle }) {
      const stream = client.stream().request([cert, bundle]);
      await stream.accept();
      await after(() => workloadApi.send((response) => response));
      await silent(stream);
    },
  },
  {
    rule: 'a rotation leaves the version of the bundle as it is, and sends it to nobody',
    fact: 13,
    needs: 'source',
    async run({ client, bundle, rotate, silent }) {
      const stream = client.stream().request([bundle]);
      await stream.accept();
      await rotate();
      await silent(stream);
    },
  },
  {
    rule: 'the order in which authorities are listed changes no version',
    fact: 13,
    needs: 'source',
    async run({ client, bundle, workloadApi, after, silent }) {
      await after(() => workloadApi.prepareAuthority());
      const stream = client.stream().request([bundle]);
      await stream.accept();
      await after(() =>
        workloadApi.send((response) => ({
          ...response,
          svids: response.svids.map((svid) => ({ ...svid, bundle: reversed(svid.bundle) })),
        })),
      );
      await silent(stream);
    },
  },
  {
    rule: 'the order in which trust domains are listed changes no version',
    fact: 13,
    needs: 'source',
    workload: { federated: ['a.test', 'b.test'] },
    async run({ client, workloadApi, after, silent }) {
      const stream = client.stream().request(['ALL']);
      await stream.accept();
      await after(() =>
        workloadApi.send((response) => ({
          ...response,
          federated_bundles: Object.fromEntries(Object.entries(response.federated_bundles).reverse()),
        })),
      );
      await silent(stream);
    },
  },
  {
    rule: 'a secret has the same version in state of the world, delta and fetch',
    fact: 13,
    needs: 'source',
    async run({ client, cert }) {
      const { version_info } = await client.stream().request([cert]).next();
      const { system_version_info, resources } = await client.delta().subscribe(cert).next();
      const fetched = await client.fetch([cert]);
      expect([system_version_info, resources[0]?.version, fetched.version_info]).toEqual(Array(3).fill(version_info));
    },
  },
  {
    rule: 'several secrets in one response have a version that says them all',
    fact: 13,
    needs: 'source',
    async run({ client, rotate, bundle }) {
      const stream = client.stream().request([WEB, bundle]);
      const before = await stream.accept();
      await rotate();
      const after = await stream.next();
      expect(serialOf(after, WEB)).not.toBe(serialOf(before, WEB));
      expect(after.version_info).not.toBe(before.version_info);
    },
  },
];
