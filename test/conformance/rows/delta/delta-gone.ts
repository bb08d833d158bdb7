/** DeltaSecrets: names that there is no secret for, not yet, not any more, or never. */
import { expect } from 'vitest';
import { DB, onlySecret, WEB } from '../../read.ts';
import type { Row } from '../../row.ts';

const ON_DEMAND = 'names: { on_demand: ["spiffe://example.org/sni/*"] }';
const SNI = 'spiffe://example.org/sni/a';

export const deltaGone: readonly Row[] = [
  {
    rule: 'a name that nobody knows is held: a removal would end the warming of its listener',
    fact: 21,
    needs: 'source',
    async run({ client, silent }) {
      await silent(client.delta().subscribe('no-such-secret'));
    },
  },
  {
    rule: 'a name that nobody knows keeps no other back',
    fact: 21,
    needs: 'nothing',
    async run({ client, cert }) {
      const stream = client.delta().subscribe('no-such-secret', cert);
      let { resources } = await stream.accept();
      // Others may say first that it is gone.
      while (resources.length === 0) ({ resources } = await stream.accept());
      expect(resources[0]?.name).toBe(cert);
    },
  },
  {
    rule: 'a name that is held is sent once there is a secret of it',
    fact: 21,
    needs: 'source',
    async run({ client, silent, workloadApi }) {
      const stream = client.delta().subscribe('spiffe://example.org/late');
      await silent(stream);
      await workloadApi.setIdentities([{ path: '/web' }, { path: '/late' }]);
      expect(onlySecret(await stream.next()).name).toBe('spiffe://example.org/late');
    },
  },
  {
    rule: 'an SVID that is withdrawn is removed on open streams',
    fact: 17,
    needs: 'source',
    async run({ client, workloadApi }) {
      const stream = client.delta().subscribe(DB);
      await stream.accept();
      await workloadApi.setIdentities([{ path: '/web' }]);
      expect(await stream.next()).toMatchObject({ removed_resources: [DB], resources: [] });
    },
  },
  {
    rule: 'a removal has a nonce, and its ACK is not answered',
    fact: 17,
    needs: 'source',
    async run({ client, workloadApi, silent }) {
      const stream = client.delta().subscribe(DB);
      await stream.accept();
      await workloadApi.setIdentities([{ path: '/web' }]);
      expect((await stream.accept()).nonce).not.toBe('');
      await silent(stream);
    },
  },
  {
    rule: 'a removal is not repeated when something else changes',
    fact: 17,
    needs: 'source',
    async run({ client, workloadApi, rotate, silent }) {
      const stream = client.delta().subscribe(DB);
      await stream.accept();
      await workloadApi.setIdentities([{ path: '/web' }]);
      await stream.accept();
      await rotate();
      await silent(stream);
    },
  },
  {
    rule: 'an SVID that comes back after its removal is sent',
    fact: 17,
    needs: 'source',
    async run({ client, workloadApi }) {
      const stream = client.delta().subscribe(DB);
      await stream.accept();
      await workloadApi.setIdentities([{ path: '/web' }]);
      await stream.accept();
      await workloadApi.setIdentities([{ path: '/web' }, { path: '/db' }]);
      expect(onlySecret(await stream.next()).name).toBe(DB);
    },
  },
  {
    rule: 'a name that the client had, and that is gone, is removed on a new stream',
    fact: 17,
    needs: 'source',
    async run({ client, workloadApi, after }) {
      await after(() => workloadApi.setIdentities([{ path: '/web' }]));
      const stream = client.delta();
      stream.request({ resource_names_subscribe: [DB], initial_resource_versions: { [DB]: 'before' } });
      expect((await stream.next()).removed_resources).toEqual([DB]);
    },
  },
  {
    rule: 'a name that the client had is not removed before there is any secret',
    fact: 22,
    needs: 'source',
    workload: { identities: [] },
    async run({ client, silent }) {
      const stream = client.delta();
      stream.request({ resource_names_subscribe: [DB], initial_resource_versions: { [DB]: 'before' } });
      await silent(stream);
    },
  },
  {
    rule: 'a denial of the Workload API removes certificates',
    fact: 17,
    needs: 'source',
    async run({ client, workloadApi }) {
      const stream = client.delta().subscribe(WEB);
      await stream.accept();
      workloadApi.deny();
      expect((await stream.next()).removed_resources).toEqual([WEB]);
    },
  },
  {
    rule: 'a Workload API that is gone removes nothing',
    fact: 23,
    needs: 'source',
    async run({ client, workloadApi, after, silent }) {
      const stream = client.delta().subscribe(WEB);
      await stream.accept();
      await after(() => workloadApi.endStreams(), 'workload_api_lost');
      await silent(stream);
    },
  },
  {
    rule: 'a bundle that is withdrawn is never removed: Envoy would go on trusting it',
    fact: 32,
    needs: 'source',
    workload: { federated: ['partner.test'] },
    async run({ client, workloadApi, after }) {
      const stream = client.delta().subscribe('spiffe://partner.test');
      await stream.accept();
      await after(() => workloadApi.unfederate('partner.test'));
      await client.fetch([WEB]);
      const removed = stream.waiting > 0 ? (await stream.next()).removed_resources : [];
      expect(removed).toEqual([]);
    },
  },
  {
    rule: 'on demand, a name that nobody knows is removed at once: a handshake waits',
    fact: 21,
    needs: 'source',
    config: ON_DEMAND,
    async run({ client }) {
      expect((await client.delta().subscribe(SNI).next()).removed_resources).toEqual([SNI]);
    },
  },
  {
    rule: 'on demand, a name that nobody knows is answered again when it is asked for again',
    fact: 21,
    needs: 'source',
    config: ON_DEMAND,
    async run({ client }) {
      const stream = client.delta().subscribe(SNI);
      await stream.accept();
      expect((await stream.unsubscribe(SNI).subscribe(SNI).next()).removed_resources).toEqual([SNI]);
    },
  },
  {
    rule: 'on demand, a name that nobody knows is answered again when it is asked for in mid-stream',
    fact: 18,
    needs: 'source',
    config: ON_DEMAND,
    async run({ client }) {
      const stream = client.delta().subscribe(SNI);
      await stream.accept();
      expect((await stream.subscribe(SNI).next()).removed_resources).toEqual([SNI]);
    },
  },
  {
    rule: 'on demand, a name is sent when there is a secret of it',
    fact: 21,
    needs: 'source',
    config: ON_DEMAND,
    async run({ client, workloadApi }) {
      const stream = client.delta().subscribe(SNI);
      await stream.accept();
      await workloadApi.setIdentities([{ path: '/web' }, { path: '/sni/a' }]);
      expect(onlySecret(await stream.next()).name).toBe(SNI);
    },
  },
  {
    rule: 'on demand, a name that stands beside one that is not is removed alone',
    fact: 21,
    needs: 'source',
    config: ON_DEMAND,
    async run({ client, silent }) {
      const stream = client.delta().subscribe(SNI, 'no-such-secret');
      expect((await stream.accept()).removed_resources).toEqual([SNI]);
      await silent(stream);
    },
  },
  {
    rule: 'on demand, nothing is removed before there is any secret',
    fact: 22,
    needs: 'source',
    config: ON_DEMAND,
    workload: { identities: [] },
    async run({ client, silent }) {
      await silent(client.delta().subscribe(SNI));
    },
  },
  {
    rule: 'on demand in state of the world, a name that nobody knows is held: it has no removal',
    fact: 9,
    needs: 'source',
    config: ON_DEMAND,
    async run({ client, silent }) {
      await silent(client.stream().request([SNI]));
    },
  },
];
