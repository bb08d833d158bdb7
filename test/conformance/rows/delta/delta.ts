/** DeltaSecrets: subscriptions and answers. */
import { expect } from 'vitest';
import { SECRET_TYPE_URL } from '../../../../src/secrets/secret.ts';
import { leafOf, onlySecret, WEB } from '../../read.ts';
import type { Row } from '../../row.ts';

export const delta: readonly Row[] = [
  {
    rule: 'a subscription is answered with the secret, its name and its type',
    fact: 17,
    needs: 'nothing',
    async run({ client, cert }) {
      const { type_url, resources } = await client.delta().subscribe(cert).next();
      expect([type_url, resources[0]?.name, resources[0]?.resource?.type_url]).toEqual([SECRET_TYPE_URL, cert, SECRET_TYPE_URL]);
    },
  },
  {
    rule: 'a response has a nonce, a system version, and a version for each resource',
    fact: 20,
    needs: 'nothing',
    async run({ client, cert }) {
      const { nonce, system_version_info, resources } = await client.delta().subscribe(cert).next();
      expect([nonce, system_version_info, resources[0]?.version]).not.toContain('');
    },
  },
  {
    rule: 'each response has one secret, so that a NACK has one culprit',
    fact: 12,
    needs: 'nothing',
    async run({ client, cert, bundle }) {
      const stream = client.delta().subscribe(cert, bundle);
      const names = [onlySecret(await stream.accept()).name, onlySecret(await stream.accept()).name];
      expect(names.sort()).toEqual([cert, bundle].sort());
    },
  },
  {
    rule: 'an ACK is not answered',
    fact: 13,
    needs: 'nothing',
    async run({ client, cert, silent }) {
      const stream = client.delta().subscribe(cert);
      await stream.accept();
      await silent(stream);
    },
  },
  {
    rule: 'a NACK is not answered with the bytes that it rejects',
    fact: 11,
    needs: 'nothing',
    async run({ client, cert, silent }) {
      const stream = client.delta().subscribe(cert);
      stream.nack(await stream.next(), 'no');
      await silent(stream);
    },
  },
  {
    rule: 'a NACK of one secret keeps no other back',
    fact: 12,
    needs: 'nothing',
    async run({ client, cert, bundle }) {
      const stream = client.delta().subscribe(cert);
      stream.nack(await stream.next(), 'no');
      expect(onlySecret(await stream.subscribe(bundle).next()).name).toBe(bundle);
    },
  },
  {
    rule: 'a NACK is followed by new content when there is some',
    fact: 11,
    needs: 'source',
    async run({ client, workloadApi, rotate }) {
      const stream = client.delta().subscribe(WEB);
      stream.nack(await stream.next(), 'no');
      await rotate();
      expect(leafOf(onlySecret(await stream.next())).serialNumber).toBe(workloadApi.serials().get(WEB));
    },
  },
  {
    rule: 'a rotation brings what rotated, and nothing else',
    fact: 17,
    needs: 'source',
    async run({ client, bundle, workloadApi, rotate, silent }) {
      const stream = client.delta().subscribe(WEB, bundle);
      await stream.accept();
      await stream.accept();
      await rotate();
      expect(leafOf(onlySecret(await stream.accept())).serialNumber).toBe(workloadApi.serials().get(WEB));
      await silent(stream);
    },
  },
  {
    rule: 'a name that is subscribed to again in mid-stream is answered, unchanged as it is',
    fact: 18,
    needs: 'nothing',
    async run({ client, cert }) {
      const stream = client.delta().subscribe(cert);
      const first = await stream.accept();
      expect((await stream.subscribe(cert).next()).resources).toEqual(first.resources);
    },
  },
  {
    rule: 'a name that was unsubscribed from and is subscribed to again is answered',
    fact: 18,
    needs: 'nothing',
    async run({ client, cert }) {
      const stream = client.delta().subscribe(cert);
      const first = await stream.accept();
      expect((await stream.unsubscribe(cert).subscribe(cert).next()).resources).toEqual(first.resources);
    },
  },
  {
    rule: 'a name that one request both unsubscribes from and subscribes to is answered',
    fact: 18,
    needs: 'source',
    async run({ client, cert }) {
      const stream = client.delta().subscribe(cert);
      const first = await stream.accept();
      stream.request({ resource_names_subscribe: [cert], resource_names_unsubscribe: [cert] });
      expect((await stream.next()).resources).toEqual(first.resources);
    },
  },
  {
    rule: 'a name that stands twice in a request is sent once',
    fact: 8,
    needs: 'nothing',
    async run({ client, cert, silent }) {
      const stream = client.delta().subscribe(cert, cert);
      await stream.accept();
      await silent(stream);
    },
  },
  {
    rule: 'a name that was unsubscribed from hears of no rotation',
    fact: 19,
    needs: 'source',
    async run({ client, rotate, silent }) {
      const stream = client.delta().subscribe(WEB);
      await stream.accept();
      stream.unsubscribe(WEB);
      await silent(stream);
      await rotate();
      await silent(stream);
    },
  },
  {
    rule: 'unsubscribing from a name that was not subscribed to does nothing',
    fact: 19,
    needs: 'nothing',
    async run({ client, cert, bundle, silent }) {
      const stream = client.delta().subscribe(cert);
      await stream.accept();
      stream.unsubscribe(bundle, 'no-such-secret');
      await silent(stream);
    },
  },
  {
    rule: 'a subscription counts although its nonce is stale',
    fact: 19,
    needs: 'nothing',
    async run({ client, cert, bundle }) {
      const stream = client.delta().subscribe(cert);
      await stream.accept();
      stream.request({ resource_names_subscribe: [bundle], response_nonce: 'stale' });
      expect(onlySecret(await stream.next()).name).toBe(bundle);
    },
  },
  {
    rule: 'a subscription counts in a NACK too',
    fact: 19,
    needs: 'nothing',
    async run({ client, cert, bundle }) {
      const stream = client.delta().subscribe(cert);
      const { nonce } = await stream.next();
      const error_detail = { code: 13, message: 'no' };
      stream.request({ resource_names_subscribe: [bundle], response_nonce: nonce, error_detail });
      expect(onlySecret(await stream.next()).name).toBe(bundle);
    },
  },
  {
    rule: 'another type is refused with INVALID_ARGUMENT',
    fact: 8,
    needs: 'source',
    async run({ client, cert }) {
      const type_url = 'type.googleapis.com/envoy.config.cluster.v3.Cluster';
      const stream = client.delta().request({ type_url, resource_names_subscribe: [cert] });
      expect(await stream.ended()).toMatchObject({ code: 'INVALID_ARGUMENT' });
    },
  },
];
