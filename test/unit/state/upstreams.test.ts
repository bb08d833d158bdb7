/** One Workload API or several, as the events tell. */
import { expect, test } from 'vitest';
import type { Event } from '../../../src/events.ts';
import { Upstreams } from '../../../src/state/upstreams.ts';

const A = 'unix:///a';
const B = 'unix:///b';
const lost = { code: 'UNAVAILABLE', details: 'gone', meaning: 'it is gone', failures: 1, retryInMs: 1 } as const;
const connected = (address: string, source?: string): Event => ({
  type: 'workload_api_connected',
  address,
  afterMs: 1,
  ...(source !== undefined && { source }),
});

function after(...events: readonly Event[]): Upstreams {
  const upstreams = new Upstreams(0);
  for (const [at, event] of events.entries()) upstreams.hear(event, at + 1);
  return upstreams;
}

test('one alone gets its address when it answers or fails', () => {
  expect(after().all).toMatchObject([{ address: undefined, upstream: { state: 'connecting' } }]);
  expect(after(connected(A)).all).toMatchObject([{ address: A, upstream: { state: 'connected', since: 1 } }]);
});

test('a list keeps the state of the one that was alone before', () => {
  const { all } = after(connected(A), { type: 'workload_apis', addresses: [B, A], leaving: [] });
  expect(all).toMatchObject([
    { address: B, upstream: { state: 'connecting', since: 2 } },
    { address: A, upstream: { state: 'connected', since: 1 } },
  ]);
});

test('each of several has its own state, and the worst is that of all', () => {
  const upstreams = after(
    { type: 'workload_apis', addresses: [A, B], leaving: [] },
    connected(A, A),
    { type: 'workload_api_lost', address: B, ...lost, source: B },
    { type: 'message_received', message: 1, method: 'FetchX509SVID', source: A },
  );
  expect(upstreams.all).toMatchObject([
    { upstream: { state: 'connected' }, lastMessage: 4 },
    { upstream: { state: 'lost', failures: 1, final: false } },
  ]);
  expect(upstreams.worst.address).toBe(B);
});

test('what names none of several, or one that has left, changes none of them', () => {
  const upstreams = after(
    { type: 'workload_apis', addresses: [A, B], leaving: [] },
    { type: 'message_received', message: 1, method: 'FetchJWTSVID' },
    connected('unix:///c', 'unix:///c'),
  );
  expect(upstreams.all.map(({ address, lastMessage, upstream }) => [address, lastMessage, upstream.state])).toEqual([
    [A, undefined, 'connecting'],
    [B, undefined, 'connecting'],
  ]);
});

test('one that leaves is shown until it has left', () => {
  const leaving: Event = { type: 'workload_apis', addresses: [B], leaving: [A] };
  expect(after(connected(A), leaving).all).toMatchObject([
    { address: B, leaving: false },
    { address: A, leaving: true },
  ]);
  expect(after(connected(A), leaving, { type: 'workload_apis', addresses: [B], leaving: [] }).all).toHaveLength(1);
});

test('a conflict is there until it is over', () => {
  const conflict = { of: 'svid', name: 'spiffe://a.test/b', used: A, left: B } as const;
  const begun: Event = { type: 'workload_api_conflict', ...conflict };
  expect(after(begun).conflicts).toEqual([conflict]);
  expect(after(begun, { type: 'workload_api_conflict_over', ...conflict }).conflicts).toEqual([]);
});
