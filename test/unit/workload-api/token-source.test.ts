/** JWT-SVIDs over a Workload API that the test plays. */
import { status } from '@grpc/grpc-js';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Event } from '../../../src/events.ts';
import type { JWTSVIDRequest, JWTSVIDResponse } from '../../../src/gen/messages.ts';
import type { TokenRequest } from '../../../src/spiffe/jwt/jwt-token.ts';
import { parseSpiffeId } from '../../../src/spiffe/spiffe-id.ts';
import type { FetchListener } from '../../../src/workload-api/stream-call.ts';
import { TokenSource } from '../../../src/workload-api/token-source.ts';
import { verdictOf } from '../../../src/workload-api/verdict.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';
import { eventually } from '../../support/eventually.ts';
import { API, api, contextOf, WEB, web } from '../../support/secrets/federation.ts';
import { tokenWith } from '../../support/secrets/tokens.ts';
import { HOUR, NOW } from '../../support/x509/certificates.ts';

interface Call extends FetchListener<JWTSVIDResponse> {
  readonly request: JWTSVIDRequest;
  cancelled: boolean;
}

const PAYMENTS: TokenRequest = { audience: ['payments'] };
let clock: ManualClock;
let calls: Call[];
let events: Event[];
let changes: string[];
let source: TokenSource;
let onPermissionDenied: 'withdraw' | 'keep';

beforeEach(() => {
  clock = new ManualClock(NOW);
  calls = [];
  events = [];
  changes = [];
  onPermissionDenied = 'withdraw';
  source = new TokenSource({
    api: {
      fetchJwtSvid: (request) => (listener) => {
        const call = { ...listener, request, cancelled: false };
        calls.push(call);
        return () => {
          call.cancelled = true;
        };
      },
      verdictOf,
    },
    clock,
    random: () => 0,
    onPermissionDenied: () => onPermissionDenied,
    events: (event) => void events.push(event),
    onChange: (cause) => void changes.push(cause),
  });
  source.configure([PAYMENTS]);
  source.adopt(contextOf([web, api]));
});

const newest = () => calls.at(-1) as Call;
const told = () => events.map(({ type }) => type).filter((type) => !type.startsWith('message_'));
const served = (request = PAYMENTS) => source.get(request).token?.value;

/** Answers the newest call. */
async function answer(svid: string, spiffe_id: string = WEB): Promise<void> {
  const before = events.length;
  newest().message({ svids: [{ spiffe_id, svid, hint: '' }] });
  newest().end(status.OK, '');
  await eventually('the answer', async () => events.slice(before).some(({ type }) => type === 'message_handled') || undefined);
}

/** There is a token that somebody wants. */
async function serving(lifetime = HOUR): Promise<string> {
  source.want(PAYMENTS);
  const token = await tokenWith({ issuedAt: clock.now(), expiresAt: clock.now() + lifetime });
  await answer(token);
  source.want(PAYMENTS);
  return token;
}

describe('a token', () => {
  test('is asked for when somebody wants it, and not before', () => {
    expect(calls).toEqual([]);
    source.want(PAYMENTS);
    expect(calls.map(({ request }) => request)).toEqual([{ audience: ['payments'], spiffe_id: WEB }]);
  });

  test('is asked for once, however many want it', () => {
    for (let i = 0; i < 3; i++) source.want(PAYMENTS);
    expect(calls).toHaveLength(1);
  });

  test('is served when it is here', async () => {
    expect(await serving()).toBe(served());
    expect([told(), changes]).toEqual([['token_received'], ['workload_api']]);
  });

  test('is asked for again at half of its life, and served until the new one is here', async () => {
    const first = await serving();
    clock.advance(HOUR / 2 - 1);
    expect(calls).toHaveLength(1);
    clock.advance(1);
    expect([calls.length, served()]).toEqual([2, first]);
    const second = await tokenWith({ issuedAt: clock.now(), expiresAt: clock.now() + HOUR });
    await answer(second);
    expect([served(), told().at(-1)]).toEqual([second, 'token_rotated']);
  });

  test('that expired is not served, whether or not anybody has looked', async () => {
    await serving(60_000);
    clock.advance(60_000);
    expect([served(), changes.at(-1), told().at(-1)]).toEqual([undefined, 'time', 'token_withdrawn']);
  });

  test('by SPIFFE ID or by hint is that of this identity', () => {
    const requests: TokenRequest[] = [
      { audience: ['a'], spiffe_id: parseSpiffeId(API) },
      { audience: ['a'], hint: 'nobody' },
    ];
    source.configure(requests);
    for (const request of requests) source.want(request);
    expect(calls.map(({ request }) => request.spiffe_id)).toEqual([API]);
  });

  test.each([
    ['of somebody else', { spiffeId: parseSpiffeId(API) }, 'its sub is'],
    ['for another audience', { audience: ['orders'] }, 'its aud lacks'],
    ['that has expired', { expiresAt: NOW }, 'it has expired'],
  ])('%s is not served, and is asked for again', async (_, claims, reason) => {
    source.want(PAYMENTS);
    await answer(await tokenWith(claims));
    expect([served(), events]).toEqual([
      undefined,
      expect.arrayContaining([
        expect.objectContaining({ type: 'token_failed', code: 'INVALID', reason: expect.stringContaining(reason) }),
      ]),
    ]);
    clock.advance(1);
    expect(calls).toHaveLength(2);
  });

  test('that is not among the answers is a failure', async () => {
    source.want(PAYMENTS);
    await answer(await tokenWith(), API);
    expect(told()).toEqual(['token_failed']);
  });
});

describe('another identity', () => {
  test('ends the old token and asks for its own, at once', async () => {
    await serving();
    source.adopt(contextOf([api]));
    expect([served(), newest().request.spiffe_id, told().at(-1)]).toEqual([undefined, API, 'token_withdrawn']);
  });

  test('ends the call for the old one, whose answer counts for nothing', async () => {
    source.want(PAYMENTS);
    const [old] = calls as [Call];
    source.adopt(contextOf([api]));
    old.message({ svids: [{ spiffe_id: WEB, svid: await tokenWith(), hint: '' }] });
    old.end(status.OK, '');
    await new Promise(setImmediate);
    expect([old.cancelled, served(), calls.length]).toEqual([true, undefined, 2]);
  });

  test('that is none leaves nothing to ask for', async () => {
    await serving();
    source.adopt(contextOf([]));
    clock.advance(HOUR);
    expect([source.get(PAYMENTS), calls.length]).toEqual([{ token: undefined, pending: false }, 1]);
  });

  test('of the same name is the same: a rotation of its certificate changes nothing', async () => {
    const token = await serving();
    source.adopt(contextOf([web]));
    expect([served(), calls.length]).toEqual([token, 1]);
  });
});

describe('a failure', () => {
  test('is told once, and the old token is served meanwhile', async () => {
    const token = await serving();
    clock.advance(HOUR / 2);
    for (let i = 0; i < 5; i++) {
      newest().end(status.UNAVAILABLE, 'gone');
      clock.advance(5_000);
    }
    expect([served(), told(), calls.length]).toEqual([token, ['token_received', 'token_failed'], 7]);
  });

  test('is tried again, at once and then with longer and longer waits', () => {
    source.want(PAYMENTS);
    const waits: number[] = [];
    for (let i = 0; i < 6; i++) {
      const count = calls.length;
      newest().end(status.UNAVAILABLE, 'gone');
      let waited = 0;
      for (; calls.length === count && waited < 10_000; waited += 50) clock.advance(50);
      waits.push(waited);
    }
    expect(waits).toEqual([0, 100, 200, 400, 800, 1600]);
  });

  test('another one is told, too', () => {
    source.want(PAYMENTS);
    newest().end(status.UNAVAILABLE, 'gone');
    clock.advance(1);
    newest().end(status.RESOURCE_EXHAUSTED, 'slowly');
    expect(told()).toEqual(['token_failed', 'token_failed']);
  });

  test('PermissionDenied withdraws the token, and is asked again', async () => {
    await serving();
    clock.advance(HOUR / 2);
    newest().end(status.PERMISSION_DENIED, 'no');
    clock.advance(1);
    expect([source.get(PAYMENTS), told().slice(1), calls.length]).toEqual([
      { token: undefined, pending: false },
      ['token_failed', 'token_withdrawn'],
      3,
    ]);
  });

  test('PermissionDenied keeps it where the operator says so', async () => {
    onPermissionDenied = 'keep';
    const token = await serving();
    clock.advance(HOUR / 2);
    newest().end(status.PERMISSION_DENIED, 'no');
    expect(served()).toBe(token);
  });

  test.each([status.INVALID_ARGUMENT, status.UNIMPLEMENTED])('status %i is not tried again until something changes', (code) => {
    source.want(PAYMENTS);
    newest().end(code, 'no');
    clock.advance(HOUR);
    expect([calls.length, source.get(PAYMENTS).pending]).toEqual([1, false]);
    source.configure([PAYMENTS]);
    source.want(PAYMENTS);
    expect(calls).toHaveLength(2);
  });

  test('a Workload API that does not answer is asked again', () => {
    source.want(PAYMENTS);
    clock.advance(40_000);
    expect([calls[0]?.cancelled, calls.length, told()]).toEqual([true, 2, ['token_failed']]);
  });
});

test('nobody wants it any more: it is not asked for again', async () => {
  source.want(PAYMENTS);
  await answer(await tokenWith({ expiresAt: NOW + HOUR }));
  clock.advance(HOUR - 1);
  expect(calls).toHaveLength(1);
});

test('what is not configured any more is not asked for', async () => {
  await serving();
  source.configure([]);
  clock.advance(HOUR);
  expect([calls.length, source.get(PAYMENTS)]).toEqual([1, { pending: false }]);
});

test('after the end nothing is asked for', () => {
  source.want(PAYMENTS);
  source.stop();
  clock.advance(HOUR);
  expect([calls.length, calls[0]?.cancelled]).toEqual([1, true]);
});
