import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { AccessRules } from '../../../../src/access/access-rules.ts';
import { exactMatcherOf } from '../../../../src/config/values/pattern.ts';
import { FakeService } from '../../../support/sds/fake-stream.ts';

const CREDENTIALS = { uid: 101, gid: 101, pid: 7 };
const NODE = { id: 'edge', cluster: '' };
const SETTINGS = {
  answerEmptyRequest: true,
  validation: 'spiffe',
  onDemand: () => false,
  maxNames: 100,
  bundleAckTimeoutMs: 2_000,
} as const;

function rules(...names: readonly string[]): AccessRules {
  return new AccessRules([{ uids: [CREDENTIALS.uid], names }], exactMatcherOf);
}

describe('an Envoy that rejected a secret and connects again', () => {
  /** It took version 1, rejected version 2, and is gone. */
  async function rejected(): Promise<FakeService> {
    const fake = new FakeService();
    await fake.update({ a: '1', b: '1' });
    const ask = { resource_names: ['a'], version_info: 'v' };
    const call = fake.open('StreamSecrets', 1, CREDENTIALS).sotw({ ...ask, version_info: '', node: NODE });
    call.sotw({ ...ask, response_nonce: '1' });
    await fake.update({ a: '2', b: '1' });
    call.sotw({ ...ask, response_nonce: '2', error_detail: { code: 13, message: 'no' } });
    call.cancel();
    return fake;
  }

  async function writtenAfter(fake: FakeService, access: AccessRules): Promise<number> {
    fake.service.configure({ ...SETTINGS, access });
    const again = fake.open('StreamSecrets', 2, CREDENTIALS);
    again.sotw({ resource_names: ['a'], version_info: 'v', node: NODE });
    await setImmediate();
    return again.written;
  }

  test('gets the one that it took, while it may have it', async () => {
    expect(await writtenAfter(await rejected(), rules('a'))).toBe(1);
  });

  test('does not get that one when it may not have it any more', async () => {
    expect(await writtenAfter(await rejected(), rules('b'))).toBe(0);
  });
});

test('rules that are the same ask nobody again', async () => {
  let asked = 0;
  const allow = rules('a');
  const counting = Object.assign(Object.create(AccessRules.prototype), {
    judge: (...args: Parameters<AccessRules['judge']>) => {
      asked += 1;
      return allow.judge(...args);
    },
  }) as AccessRules;
  const fake = new FakeService();
  fake.service.configure({ ...SETTINGS, access: counting });
  await fake.update({ a: '1' });
  fake.open('StreamSecrets', 1, CREDENTIALS).sotw({ resource_names: ['a'], node: NODE });
  for (const version of ['2', '3', '4']) await fake.update({ a: version });
  fake.service.configure({ ...SETTINGS, maxNames: 5, access: counting });
  await setImmediate();
  expect(asked).toBe(1);
});
