import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { NO_RECALL } from '../../../../src/sds/protocol/name-state.ts';
import { SOTW } from '../../../../src/sds/protocol/protocol.ts';
import { sharedSteps } from '../../../../src/sds/protocol/shared-steps.ts';
import { encode } from '../../../../src/wire/wire.ts';
import { view } from '../../../support/secrets/secrets.ts';

const OPTIONS = { answerEmptyRequest: true, recall: NO_RECALL };
/** V8 gives it to whoever makes a context after this flag. */
setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');
const request = (nonce: string, name = 'a') =>
  Buffer.from(
    encode('envoy.service.discovery.v3.DiscoveryRequest', { resource_names: [name], response_nonce: nonce, version_info: nonce }),
  );

test('streams that ask for the same and take the same are in one state, whose secrets are kept once', () => {
  const protocol = sharedSteps(SOTW);
  const secrets = view({ a: '1' });
  const run = () => {
    const { state: asked } = protocol.receive(protocol.initial, protocol.decode(request('')), OPTIONS);
    const sent = protocol.next(asked, secrets);
    if (sent === undefined) throw new Error('nothing is due');
    return protocol.receive(sent.state, protocol.decode(request(sent.response.nonce)), OPTIONS).state;
  };
  expect(run()).toBe(run());
});

test('a stream of which it is known what it rejected has a state of its own', () => {
  const protocol = sharedSteps(SOTW);
  const receive = (recall: typeof NO_RECALL) =>
    protocol.receive(protocol.initial, protocol.decode(request('')), { ...OPTIONS, recall }).state;
  const own = receive(() => ({ rejected: '1' }));
  expect(own.names.get('a')?.rejected).toBe('1');
  expect(receive(NO_RECALL).names.get('a')?.rejected).toBeUndefined();
});

test('the secrets of a state that no stream is in are let go when the secrets change', async () => {
  const protocol = sharedSteps(SOTW);
  const { state } = protocol.receive(protocol.initial, protocol.decode(request('')), OPTIONS);
  const gone = (() => {
    const step = protocol.next(state, view({ a: '1' }));
    if (step === undefined) throw new Error('nothing is due');
    protocol.receive(step.state, protocol.decode(request('1')), OPTIONS);
    return new WeakRef(step.response);
  })();
  expect(gone.deref()).toBeDefined();
  protocol.forget();
  await new Promise(setImmediate);
  collectGarbage();
  expect(gone.deref()).toBeUndefined();
});

test('a request that says something else is not taken for the one before', () => {
  const protocol = sharedSteps(SOTW);
  const messages = Array.from({ length: 20 }, (_, index) => protocol.decode(request('', `name-${index % 10}`)));
  expect(messages.map(({ resource_names: [name] }) => name)).toEqual(messages.map((_, index) => `name-${index % 10}`));
});

test.each([
  ['with many names', 200, ''],
  ['with a long error', 1, 'x'.repeat(5_000)],
])('nothing is kept of a request %s once its stream is over', async (_, names, message) => {
  const protocol = sharedSteps(SOTW);
  const gone = (() => {
    const resource_names = Array.from({ length: names }, (_, i) => `a-name-with-some-more-text-${i}`);
    const request = { resource_names, ...(message !== '' && { error_detail: { code: 1, message } }) };
    const decoded = protocol.decode(encode('envoy.service.discovery.v3.DiscoveryRequest', request));
    const { state } = protocol.receive(protocol.initial, decoded, OPTIONS);
    protocol.next(state, view({ a: '1' }));
    return [new WeakRef(decoded), ...(message === '' ? [new WeakRef(state)] : [])];
  })();
  await new Promise(setImmediate);
  collectGarbage();
  expect(gone.map((one) => one.deref())).toEqual(gone.map(() => undefined));
});
