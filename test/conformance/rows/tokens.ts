/** JWT-SVIDs as generic_secret. */
import { status } from '@grpc/grpc-js';
import { expect } from 'vitest';
import { parseJwtSvid } from '../../../src/spiffe/jwt/jwt-svid.ts';
import { DB, namesOf, onlySecret, secretOf, TRUST_DOMAIN, textOf, WEB } from '../read.ts';
import type { Row } from '../row.ts';

const CONFIG = `
names: { jwt_audiences: [orders] }
secrets:
  - name: payments-token
    jwt_svid: { audience: [payments] }
  - name: raw-token
    jwt_svid: { audience: [payments, stock], spiffe_id: ${DB}, format: raw }
`;

export const tokens: readonly Row[] = [
  {
    rule: 'a token stands in a generic_secret as the value of an Authorization header, with nothing after it',
    fact: 33,
    needs: 'source',
    config: CONFIG,
    async run({ client }) {
      const { generic_secret } = secretOf(await client.stream().request(['payments-token']).next(), 'payments-token');
      const [, token = ''] = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/.exec(textOf(generic_secret?.secret)) ?? [];
      expect(parseJwtSvid(token)).toMatchObject({ id: WEB, audience: ['payments'] });
    },
  },
  {
    rule: 'a raw token stands alone, for the identity and the audiences that its name stands for',
    fact: 33,
    needs: 'source',
    config: CONFIG,
    async run({ client }) {
      const { generic_secret } = secretOf(await client.stream().request(['raw-token']).next(), 'raw-token');
      expect(parseJwtSvid(textOf(generic_secret?.secret))).toMatchObject({ id: DB, audience: ['payments', 'stock'] });
    },
  },
  {
    rule: 'a token is served by delta',
    fact: 33,
    needs: 'source',
    config: CONFIG,
    async run({ client }) {
      const response = await client
        .delta()
        .request({ resource_names_subscribe: ['payments-token'] })
        .next();
      expect(textOf(onlySecret(response).generic_secret?.secret)).toMatch(/^Bearer /);
    },
  },
  {
    rule: 'FetchSecrets waits for a token that was not asked for yet',
    fact: 33,
    needs: 'source',
    config: CONFIG,
    async run({ client }) {
      const response = await client.fetch(['payments-token', WEB]);
      expect(namesOf(response)).toEqual(['payments-token', WEB]);
    },
  },
  {
    rule: 'FetchSecrets of a token that this workload may not have is NOT_FOUND',
    fact: 9,
    needs: 'source',
    config: 'secrets: [{ name: t, jwt_svid: { audience: [a], hint: nobody } }]',
    async run({ client }) {
      await expect(client.fetch(['t'])).rejects.toMatchObject({ code: status.NOT_FOUND });
    },
  },
  {
    rule: 'an audience that the operator lists can be asked for by name',
    fact: 33,
    needs: 'source',
    config: CONFIG,
    async run({ client }) {
      const { generic_secret } = secretOf(await client.stream().request(['jwt:orders']).next(), 'jwt:orders');
      expect(parseJwtSvid(textOf(generic_secret?.secret).replace('Bearer ', '')).audience).toEqual(['orders']);
    },
  },
  {
    rule: 'an audience that the operator does not list is held like any name that nobody knows',
    fact: 9,
    needs: 'source',
    config: CONFIG,
    async run({ client, running, silent }) {
      const stream = client.stream().request(['jwt:stock']);
      expect(await running.event('names_held')).toMatchObject({ names: ['jwt:stock'] });
      await silent(stream);
    },
  },
  {
    rule: 'no token goes out with everything',
    fact: 5,
    needs: 'source',
    config: CONFIG,
    async run({ client }) {
      expect(namesOf(await client.stream().request([]).next())).toEqual([WEB, DB, TRUST_DOMAIN]);
    },
  },
  {
    rule: 'a token on a stream with other names keeps none of them waiting',
    fact: 9,
    needs: 'source',
    config: CONFIG,
    async run({ client }) {
      const stream = client.stream().request(['payments-token', WEB]);
      expect(namesOf(await stream.accept())).toEqual([WEB]);
      expect(namesOf(await stream.accept())).toEqual(['payments-token', WEB]);
    },
  },
  {
    rule: 'a token of another identity takes the place of the old one, and a certificate that did not change stays',
    fact: 13,
    needs: 'source',
    config: CONFIG,
    async run({ client, workloadApi }) {
      const stream = client.stream().request(['payments-token']);
      await stream.accept();
      await workloadApi.setIdentities([{ path: '/db' }]);
      const { generic_secret } = secretOf(await stream.accept(), 'payments-token');
      expect(parseJwtSvid(textOf(generic_secret?.secret).replace('Bearer ', '')).id).toBe(DB);
    },
  },
  {
    rule: 'a token is held, and not sent, once this workload may not have it',
    fact: 9,
    needs: 'source',
    config: CONFIG,
    async run({ client, workloadApi, after, silent }) {
      const stream = client.stream().request(['payments-token']);
      await stream.accept();
      await after(() => workloadApi.deny(), 'token_withdrawn');
      const late = client.stream().request(['payments-token']);
      await silent(stream, late);
    },
  },
  {
    rule: 'delta: a token that is taken away is listed as removed',
    fact: 17,
    needs: 'source',
    config: CONFIG,
    async run({ client, workloadApi }) {
      const stream = client.delta().request({ resource_names_subscribe: ['payments-token'] });
      stream.ack(await stream.next());
      await workloadApi.deny();
      expect((await stream.next()).removed_resources).toEqual(['payments-token']);
    },
  },
  {
    rule: 'delta: a token that an Envoy has from before is not removed while the new one is on its way',
    fact: 17,
    needs: 'source',
    config: CONFIG,
    async run({ client }) {
      const stream = client
        .delta()
        .request({ resource_names_subscribe: ['payments-token'], initial_resource_versions: { 'payments-token': 'old' } });
      const response = await stream.next();
      expect([response.removed_resources, onlySecret(response).name]).toEqual([[], 'payments-token']);
    },
  },
  {
    rule: 'a name that stands for another kind of secret after a reload is held on streams that got the first kind, and told',
    fact: 26,
    needs: 'source',
    config: 'secrets: [{ name: x, validation: {} }]',
    async run({ client, running, silent }) {
      const sotw = client.stream().request(['x']);
      await sotw.accept();
      const delta = client.delta().request({ resource_names_subscribe: ['x'] });
      delta.ack(await delta.next());
      running.configure('secrets: [{ name: x, jwt_svid: { audience: [payments] } }]');
      expect(await running.event('names_held')).toMatchObject({ names: ['x'], otherKind: ['x'] });
      await silent(sotw, delta);
      const other = await client.stream().request(['x']).next();
      expect(secretOf(other, 'x').generic_secret).toBeDefined();
    },
  },
  {
    rule: 'the version is a hash: the same token twice is the same version',
    fact: 13,
    needs: 'source',
    config: CONFIG,
    async run({ client, connect }) {
      const one = await client.stream().request(['payments-token']).next();
      const other = await connect().stream().request(['payments-token']).next();
      expect(one.version_info).toBe(other.version_info);
    },
  },
];
