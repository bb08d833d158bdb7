import { describe, expect, test } from 'vitest';
import type { Event } from '../../../src/events.ts';
import { parseSpiffeId } from '../../../src/spiffe/spiffe-id.ts';
import { History, MINUTES } from '../../../src/state/history.ts';

const MINUTE = 60_000;
const START = Date.UTC(2030, 0, 1);
const id = parseSpiffeId('spiffe://example.org/web');

const response = {
  stream: 1,
  method: 'sotw',
  peer: { connection: 1 },
  node: 'edge',
  nonce: '1',
  secrets: [{ name: 'default', kind: 'tls_certificate', version: 'a' }],
  removed: [],
  update: 1,
  because: 'update',
} as const;
const pushed: Event = { type: 'secrets_pushed', ...response };
const accepted: Event = { type: 'secrets_accepted', ...response, afterMs: 1 };
const rejected = (reason: string): Event => ({ type: 'secrets_rejected', ...response, afterMs: 1, reason, kind: 'certificate' });
const lost: Event = {
  type: 'workload_api_lost',
  address: 'unix:///agent.sock',
  code: 'UNAVAILABLE',
  details: 'no',
  meaning: 'nobody listens there',
  failures: 1,
};

describe('the deliveries of the last hour', () => {
  test('are counted by the minute, and minutes in which nothing was sent are left out', () => {
    const history = new History();
    for (const event of [pushed, pushed, accepted, rejected('no')]) history.hear(event, START + 1);
    history.hear(pushed, START + 2 * MINUTE);
    expect(history.delivery(START + 3 * MINUTE)).toEqual([
      { at: START, pushes: 2, acks: 1, nacks: 1 },
      { at: START + 2 * MINUTE, pushes: 1, acks: 0, nacks: 0 },
    ]);
  });

  test('are forgotten after an hour, also when nothing has been sent since', () => {
    const history = new History();
    history.hear(pushed, START);
    expect(history.delivery(START + (MINUTES - 1) * MINUTE)).toHaveLength(1);
    expect(history.delivery(START + MINUTES * MINUTE)).toEqual([]);
  });

  test('never take more than an hour has minutes', () => {
    const history = new History();
    for (let minute = 0; minute < 1000; minute++) history.hear(pushed, START + minute * MINUTE);
    expect(history.delivery(START + 999 * MINUTE)).toHaveLength(MINUTES);
  });
});

describe('the history of the Workload API', () => {
  test('has the newest first, and counts what is the same again', () => {
    const history = new History();
    history.hear({ type: 'svid_received', id, hint: '', serial: '0a', notAfter: 0 }, START);
    for (const minute of [1, 2, 3]) history.hear(lost, START + minute * MINUTE);
    expect(history.upstream).toEqual([
      { at: START + MINUTE, what: 'lost', text: 'nobody listens there (UNAVAILABLE)', times: 3, until: START + 3 * MINUTE },
      { at: START, what: 'received', text: id, times: 1, until: START },
    ]);
  });

  test('is bounded in number and in length, whatever the Workload API says', () => {
    const history = new History();
    for (let index = 0; index < 1000; index++)
      history.hear({ type: 'context_discarded', message: index, code: 'X', reason: `${index} ${'x'.repeat(5000)}` }, START);
    expect(history.upstream).toHaveLength(100);
    expect(history.upstream[0]?.text).toMatch(/^999 x{508}…$/);
  });
});

test('the last 20 rejections are kept, the newest first', () => {
  const history = new History();
  for (let index = 0; index < 30; index++) history.hear(rejected(`reason ${index}`), START + index);
  expect(history.rejections).toHaveLength(20);
  expect(history.rejections[0]).toEqual({
    at: START + 29,
    node: 'edge',
    names: ['default'],
    kind: 'certificate',
    reason: 'reason 29',
  });
});
