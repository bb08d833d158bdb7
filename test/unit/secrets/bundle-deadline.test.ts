/** A CA roll that somebody never answers: how long everybody else waits for certificates. */
import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Event } from '../../../src/events.ts';
import { FakeService } from '../../support/sds/fake-stream.ts';

const pushesOf = (events: readonly Event[], name: string) =>
  events.flatMap((event) => (event.type === 'secrets_pushed' ? event.secrets : [])).filter((secret) => secret.name === name);

/** A client that never answers has a bundle; another has a certificate. */
async function rolling() {
  const fake = new FakeService();
  await fake.update({ bundle: '0', web: '0' });
  fake.open('StreamSecrets').sotw({ resource_names: ['bundle'] });
  fake
    .open('StreamSecrets')
    .sotw({ resource_names: ['web'] })
    .sotw({ resource_names: ['web'], response_nonce: '1' });
  const versions = () => pushesOf(fake.events, 'web').map(({ version }) => version);
  return { fake, versions };
}

test.each([true, false])(
  'no certificate waits longer than the timeout, whatever comes meanwhile (a CA roll each: %s)',
  async (rolls) => {
    const { fake, versions } = await rolling();
    for (let second = 0; second < 3; second++) {
      await fake.update({ bundle: String(second + 1), web: String(second + 1) }, rolls || second === 0);
      if (second === 2) break;
      expect(versions()).toEqual(['0']);
      fake.clock.advance(900);
    }
    fake.clock.advance(199);
    await setImmediate();
    const before = versions();
    fake.clock.advance(1);
    await setImmediate();
    expect([before, versions()]).toEqual([['0'], ['0', '3']]);
  },
);

test('a roll that begins after that has a time of its own', async () => {
  const { fake, versions } = await rolling();
  await fake.update({ bundle: '1', web: '1' }, true);
  fake.clock.advance(2_000);
  await setImmediate();
  await fake.update({ bundle: '2', web: '2' }, true);
  fake.clock.advance(1_999);
  await setImmediate();
  const before = versions();
  fake.clock.advance(1);
  await setImmediate();
  expect([before, versions()]).toEqual([
    ['0', '1'],
    ['0', '1', '2'],
  ]);
});
