/** DeltaSecrets: a new stream of a client that has secrets from an earlier one. */
import { expect } from 'vitest';
import { leafOf, onlySecret, WEB } from '../../read.ts';
import type { Row } from '../../row.ts';

export const deltaResumed: readonly Row[] = [
  {
    rule: 'a name that the client has in the current version is not sent on a new stream',
    fact: 17,
    needs: 'nothing',
    async run({ client, cert, silent }) {
      const { resources } = await client.delta().subscribe(cert).accept();
      const held = { [cert]: resources[0]?.version ?? '' };
      const stream = client.delta().request({ resource_names_subscribe: [cert], initial_resource_versions: held });
      await silent(stream);
    },
  },
  {
    rule: 'a name that the client has in the current version is sent once it changes',
    fact: 17,
    needs: 'source',
    async run({ client, workloadApi, rotate }) {
      const { resources } = await client.delta().subscribe(WEB).accept();
      const held = { [WEB]: resources[0]?.version ?? '' };
      const stream = client.delta().request({ resource_names_subscribe: [WEB], initial_resource_versions: held });
      await rotate();
      expect(leafOf(onlySecret(await stream.next())).serialNumber).toBe(workloadApi.serials().get(WEB));
    },
  },
  {
    rule: 'a name that the client has in another version is sent on a new stream',
    fact: 17,
    needs: 'nothing',
    async run({ client, cert }) {
      const held = { [cert]: 'another' };
      const stream = client.delta().request({ resource_names_subscribe: [cert], initial_resource_versions: held });
      expect(onlySecret(await stream.next()).name).toBe(cert);
    },
  },
  {
    rule: 'of two names only the one that the client lacks is sent on a new stream',
    fact: 17,
    needs: 'nothing',
    async run({ client, cert, bundle, silent }) {
      const { resources } = await client.delta().subscribe(cert).accept();
      const held = { [cert]: resources[0]?.version ?? '' };
      const stream = client.delta().request({ resource_names_subscribe: [cert, bundle], initial_resource_versions: held });
      expect(onlySecret(await stream.accept()).name).toBe(bundle);
      await silent(stream);
    },
  },
  {
    rule: 'a version of a name that is not subscribed to is not answered',
    fact: 17,
    needs: 'nothing',
    async run({ client, cert, bundle, silent }) {
      const stream = client.delta();
      stream.request({ resource_names_subscribe: [cert], initial_resource_versions: { [bundle]: 'another' } });
      expect(onlySecret(await stream.accept()).name).toBe(cert);
      await silent(stream);
    },
  },
  {
    rule: 'a version of a name like __proto__ does no harm',
    fact: 21,
    needs: 'nothing',
    async run({ client, cert }) {
      const held = Object.fromEntries([
        ['__proto__', 'x'],
        ['constructor', 'x'],
      ]);
      const stream = client.delta();
      stream.request({ resource_names_subscribe: [cert], initial_resource_versions: held });
      expect(onlySecret(await stream.next()).name).toBe(cert);
    },
  },
];
