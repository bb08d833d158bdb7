/** How far a client may fall behind, what is kept of it then, and how it goes on. */
import { describe, expect, test } from 'vitest';
import type { Event } from '../../../../src/events.ts';
import { Backlog, maxUnanswered, weightOf } from '../../../../src/sds/protocol/backlog.ts';
import { DELTA, type Protocol, type RequestMessage, type Sent, SOTW } from '../../../../src/sds/protocol/protocol.ts';
import { FakeService } from '../../../support/sds/fake-stream.ts';
import { secret, view } from '../../../support/secrets/secrets.ts';

const NAMES = ['a', 'b'];
const ROTATIONS = maxUnanswered(NAMES.length) + 50;
const node = null;
const sotw = { version_info: '', node, resource_names: NAMES, type_url: '', response_nonce: '', error_detail: null };
const delta = {
  node,
  type_url: '',
  resource_names_subscribe: NAMES,
  resource_names_unsubscribe: [],
  initial_resource_versions: {},
  response_nonce: '',
  error_detail: null,
};

/** Everything that can be reached from a state and has the content of a secret, as `name@version`. */
function contentsIn(value: unknown, found = new Set<string>(), seen = new Set<unknown>()): ReadonlySet<string> {
  if (typeof value !== 'object' || value === null || seen.has(value)) return found;
  seen.add(value);
  if (Buffer.isBuffer(value)) found.add(value.toString());
  else
    for (const part of value instanceof Map || value instanceof Set ? value : Object.values(value)) contentsIn(part, found, seen);
  return found;
}

/** The state of a stream that takes version 0, says nothing over many rotations, and the number of its responses. */
function silent<Message extends RequestMessage, State, Response extends Sent>(
  protocol: Protocol<Message, State, Response>,
  request: Message,
  ack: (nonce: string) => Message,
  rotations = ROTATIONS,
) {
  const options = { answerEmptyRequest: true, recall: () => undefined };
  let { state } = protocol.receive(protocol.initial, request, options);
  let sent = 0;
  for (let version = 0; version <= rotations; version++) {
    const now = view({ a: String(version), b: String(version) });
    for (let step = protocol.next(state, now); step !== undefined; step = protocol.next(state, now)) {
      state = step.state;
      sent += 1;
      if (version === 0) state = protocol.receive(state, ack(step.response.nonce), options).state;
    }
    if (protocol.due(state, now) !== undefined) state = protocol.withoutOvertaken(state);
  }
  return { state, sent: sent, unanswered: protocol.unansweredCount(state) };
}

describe('of a stream that does not answer any more', () => {
  test.each([
    ['state of the world', () => silent(SOTW, sotw, (response_nonce) => ({ ...sotw, response_nonce }))],
    ['delta', () => silent(DELTA, delta, (response_nonce) => ({ ...delta, resource_names_subscribe: [], response_nonce }))],
  ] as const)('no content is kept but of each name the last good and the last that was sent: %s', (_, run) => {
    const { state, unanswered } = run();
    const kept = [...contentsIn(state)].toSorted();
    expect(unanswered).toBe(maxUnanswered(NAMES.length));
    for (const name of NAMES) {
      const contents = kept.filter((content) => content.startsWith(name));
      expect(contents).toContain(`${name}@0`);
      expect(contents.length).toBeLessThanOrEqual(2);
    }
  });
});

describe('of a stream that answers late', () => {
  test.each([
    ['state of the world', () => silent(SOTW, sotw, (response_nonce) => ({ ...sotw, response_nonce }), 60)],
    ['delta', () => silent(DELTA, delta, (response_nonce) => ({ ...delta, resource_names_subscribe: [], response_nonce }), 60)],
  ] as const)('the content of no more than the last few responses is kept: %s', (_, run) => {
    const { state, unanswered } = run();
    expect(unanswered).toBeGreaterThanOrEqual(60);
    expect(contentsIn(state).size).toBeLessThanOrEqual(2 * 34);
  });
});

const pushed = (events: readonly Event[]) =>
  events.flatMap((event) => (event.type === 'secrets_pushed' ? event.secrets.map(({ version }) => version) : []));

const LIMIT = maxUnanswered(1);
const NEWEST = LIMIT + 50;

describe.each(['sotw', 'delta'] as const)('a %s client that never answered', (method) => {
  async function behind() {
    const fake = new FakeService();
    await fake.update({ web: '0' });
    const call = fake.open(method === 'sotw' ? 'StreamSecrets' : 'DeltaSecrets');
    if (method === 'sotw') call.sotw({ resource_names: ['web'] });
    else call.delta({ resource_names_subscribe: ['web'] });
    for (let version = 1; version <= NEWEST; version++) await fake.update({ web: String(version) });
    const answer = (response_nonce: string) =>
      method === 'sotw' ? call.sotw({ resource_names: ['web'], response_nonce }) : call.delta({ response_nonce });
    return { fake, answer };
  }

  test('is sent no more than so many responses', async () => {
    const { fake } = await behind();
    expect(pushed(fake.events)).toEqual(Array.from({ length: LIMIT }, (_, version) => String(version)));
  });

  test.each([1, LIMIT])('is sent the newest when it answers response %i', async (nonce) => {
    const { fake, answer } = await behind();
    answer(String(nonce));
    expect(pushed(fake.events).slice(LIMIT)).toEqual([String(NEWEST)]);
  });

  test('goes on when it answers only now and then', async () => {
    const { fake, answer } = await behind();
    for (let round = 1; round <= 10; round++) {
      answer(String(pushed(fake.events).length));
      for (let update = 1; update <= 20; update++) await fake.update({ web: `${round}.${update}` });
    }
    answer(String(pushed(fake.events).length));
    expect(pushed(fake.events).at(-1)).toBe('10.20');
  });
});

describe('the bytes that are kept for responses without an answer', () => {
  const limits = { free: 4, stream: 10, connection: 20, all: 30 };

  test('are those of their secrets, and something for each', () => {
    const { any } = secret('a', '1');
    const kept = { name: 'a', kind: 'tls_certificate', version: '0' } as const;
    expect(weightOf([{ secrets: [secret('a', '1')] }]) - weightOf([{ secrets: [kept] }])).toBe(any.length);
  });

  test.each([
    ['a stream', 10, 10, 0],
    ['its connection', 5, 20, 0],
    ['all', 5, 5, 25],
  ])('are bounded for %s', (_, stream, connection, others) => {
    const backlog = new Backlog(limits);
    backlog.change(1, connection);
    backlog.change(2, others);
    expect(backlog.isFull(1, stream)).toBe(true);
  });

  test('never stop a stream that has few', () => {
    const backlog = new Backlog(limits);
    backlog.change(1, 100);
    expect([0, 4, 5].map((stream) => backlog.isFull(1, stream))).toEqual([false, false, true]);
  });

  test('are given back', () => {
    const backlog = new Backlog(limits);
    for (const by of [30, -30]) backlog.change(1, by);
    expect([backlog.all, backlog.isFull(1, 5)]).toEqual([0, false]);
  });
});
