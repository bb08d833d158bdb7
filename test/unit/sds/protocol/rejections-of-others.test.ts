/** Whose NACK withholds a secret from whom, when several Envoys go by one node id. */
import { expect, test } from 'vitest';
import type { PeerCredentials } from '../../../../src/events.ts';
import { FakeService } from '../../../support/sds/fake-stream.ts';

const node = { id: 'edge' } as never;
const user = { uid: 101, gid: 102, pid: 77 };
const error_detail = { code: 13, message: 'no' };

/** `user` took version 1 of `web` and rejected version 2, then went. Another comes: the version that it is sent. */
async function sentAfterNack(method: 'sotw' | 'delta', credentials: PeerCredentials | undefined, shown: string) {
  const fake = new FakeService();
  await fake.update({ web: '1' });
  const delta = method === 'delta';
  const first = fake.open(delta ? 'DeltaSecrets' : 'StreamSecrets', 1, user);
  if (delta) first.delta({ node, resource_names_subscribe: ['web'] }).delta({ response_nonce: '1' });
  else first.sotw({ node, resource_names: ['web'] }).sotw({ resource_names: ['web'], version_info: '1', response_nonce: '1' });
  await fake.update({ web: '2' });
  if (delta) first.delta({ response_nonce: '2', error_detail });
  else first.sotw({ resource_names: ['web'], version_info: '1', response_nonce: '2', error_detail });
  first.cancel();
  const from = fake.events.length;
  const second = fake.open(delta ? 'DeltaSecrets' : 'StreamSecrets', 2, credentials);
  if (delta) second.delta({ node, resource_names_subscribe: ['web'], initial_resource_versions: { web: shown } });
  else second.sotw({ node, resource_names: ['web'], version_info: shown });
  const pushed = fake.events.slice(from).find((event) => event.type === 'secrets_pushed');
  return pushed?.type === 'secrets_pushed' ? pushed.secrets[0]?.version : undefined;
}

test.each([
  ['another user', { ...user, uid: 7 }],
  ['another group', { ...user, gid: 7 }],
  ['another process', { ...user, pid: 7 }],
  ['a peer that is not known', undefined],
])('%s is sent the newest', async (_, credentials) => {
  expect([await sentAfterNack('sotw', credentials, '1'), await sentAfterNack('delta', credentials, '1')]).toEqual(['2', '2']);
});

test('the same one that shows what it had after that is sent what it has, or nothing', async () => {
  expect([await sentAfterNack('sotw', user, '1'), await sentAfterNack('delta', user, '1')]).toEqual(['1', undefined]);
});

test('one that shows another version is sent the newest', async () => {
  expect([await sentAfterNack('sotw', user, '0'), await sentAfterNack('delta', user, '0')]).toEqual(['2', '2']);
});

test('one that has what the other rejected is not sent back', async () => {
  expect([await sentAfterNack('sotw', user, '2'), await sentAfterNack('delta', user, '2')]).toEqual(['2', undefined]);
});
