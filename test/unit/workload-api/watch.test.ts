import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { EMPTY_CONTEXT } from '../../../src/spiffe/x509-context.ts';
import { SuspendableClock } from '../../support/clocks/suspendable-clock.ts';
import { PlayedWatch } from '../../support/workload-api/played-watch.ts';
import { responseWith, svidMessage } from '../../support/workload-api/workload-messages.ts';
import { HOUR, issueAuthority, issueLeaf, NOW } from '../../support/x509/certificates.ts';

const WEB = 'spiffe://example.org/web';
const API = 'spiffe://example.org/api';
const reader = new CertificateReader();
const authority = await issueAuthority();
const webMessage = svidMessage(WEB, [await issueLeaf(authority, WEB)], [authority]);
const web = responseWith([webMessage]);
const api = responseWith([svidMessage(API, [await issueLeaf(authority, API)], [authority])]);
const bad = responseWith([{ ...webMessage, x509_svid_key: Buffer.alloc(0) }]);

/** A watch that has called, and was told of /web. */
function streaming(): PlayedWatch {
  const played = new PlayedWatch(reader);
  played.watch.start();
  played.call.message(web);
  return played;
}

describe('a watch', () => {
  test('calls once when it is started, however often', () => {
    const played = new PlayedWatch(reader);
    played.watch.start();
    played.watch.start();
    expect(played.calls).toHaveLength(1);
  });

  test('hands over the newest context', () => {
    const played = streaming();
    played.call.message(api);
    expect(played.contexts.map(({ svids }) => svids.map(({ id }) => id))).toEqual([[WEB], [API]]);
  });

  test('tells what happened in the order in which it did', () => {
    const { events } = streaming();
    expect(events).toEqual([
      { type: 'workload_api_connected', address: 'unix:///agent.sock', afterMs: 0 },
      { type: 'context_received', message: expect.any(Number), svids: 1, bundles: 1 },
      { type: 'bundle_updated', trustDomain: 'example.org', authorities: 1, notAfter: expect.any(Number) },
    ]);
  });

  test('numbers the messages, and tells when each is here and when it is handled', () => {
    const { messages } = streaming();
    expect(messages).toEqual([
      { type: 'message_received', message: expect.any(Number), method: 'FetchX509SVID' },
      { ...messages[0], type: 'message_handled', method: undefined },
    ]);
  });

  test('tells how long the first message of a stream took', () => {
    const played = new PlayedWatch(reader);
    played.watch.start();
    played.clock.advance(250);
    played.call.message(web);
    expect(played.events[0]).toEqual({ type: 'workload_api_connected', address: 'unix:///agent.sock', afterMs: 250 });
  });

  test('is connected once for each call, not for each message', () => {
    const played = streaming();
    played.call.message(api);
    played.call.end(status.UNAVAILABLE, '');
    played.clock.advance(0);
    played.call.message(api);
    expect(played.eventTypes().filter((type) => type === 'workload_api_connected')).toHaveLength(2);
  });

  test('tells of a federated bundle that was left out, and takes the rest', () => {
    const played = streaming();
    played.call.message(responseWith(web.svids, { 'spiffe://partner.test': Buffer.alloc(0) }));
    expect(played.events.at(-1)).toMatchObject({ type: 'bundle_left_out', trustDomain: 'spiffe://partner.test' });
  });

  test('reads a certificate that a message brings again once', () => {
    const played = streaming();
    for (const _again of [1, 2, 3]) played.call.message(web);
    expect(played.contexts.at(-1)?.svids[0]?.chain[0]).toBe(played.contexts[0]?.svids[0]?.chain[0]);
  });

  test('forgets certificates that messages no longer bring, bad messages among them', async () => {
    const ownReader = new CertificateReader();
    const played = new PlayedWatch(ownReader);
    played.watch.start();
    played.call.message(web);
    const leaf = played.contexts[0]?.svids[0]?.chain[0];
    for (const _message of [1, 2]) played.call.message(responseWith([{ ...webMessage, x509_svid: Buffer.from('garbage') }]));
    expect(ownReader.readAll(leaf?.der ?? Buffer.alloc(0)).certificates[0]).not.toBe(leaf);
  });

  test('leaves dates to who serves: a clock may be wrong', () => {
    const played = streaming();
    played.clock.advance(HOUR);
    played.call.message(web);
    expect(played.events.at(-1)).toMatchObject({ type: 'context_received' });
  });
});

describe('a message', () => {
  test('that is malformed leaves the last good context and the stream', () => {
    const played = streaming();
    played.call.message(bad);
    expect([played.contexts.length, played.call.cancelled, played.calls.length, played.eventTypes().at(-1)]).toEqual([
      1,
      false,
      1,
      'context_discarded',
    ]);
  });

  test('that is malformed and the first proves that somebody is there', () => {
    const played = new PlayedWatch(reader);
    played.watch.start();
    played.call.message(bad);
    played.clock.advance(HOUR);
    expect(played.lost).toEqual([]);
  });

  test('that is good counts after a malformed one', () => {
    const played = streaming();
    played.call.message(bad);
    played.call.message(api);
    expect(played.ids).toEqual([API]);
  });

  test('without SVIDs withdraws them', () => {
    const played = streaming();
    played.call.message(responseWith([]));
    expect([played.ids, played.reasons.at(-1)]).toEqual([[], 'the Workload API no longer lists it']);
  });
});

describe('a call that ends', () => {
  test('is made again at once the first time', () => {
    const played = streaming();
    played.call.end(status.UNAVAILABLE, 'gone');
    played.clock.advance(0);
    expect(played.calls).toHaveLength(2);
  });

  test('is told with its cause, its meaning and when it is tried again', () => {
    const played = streaming();
    played.call.end(status.UNAVAILABLE, 'gone');
    expect(played.events.at(-1)).toEqual({
      type: 'workload_api_lost',
      address: 'unix:///agent.sock',
      code: 'UNAVAILABLE',
      details: 'gone',
      meaning: expect.stringContaining('cannot be reached'),
      failures: 1,
      retryInMs: 0,
    });
  });

  test.for([
    [0, [0, 100, 200, 400, 800, 1600, 2500, 2500]],
    [0.999_999, [0, 200, 400, 800, 1600, 3200, 5000, 5000]],
  ] as const)('is made again later and later while nothing helps, when the dice say %s', ([random, waits]) => {
    const played = new PlayedWatch(reader, random);
    played.watch.start();
    for (const wait of waits) {
      played.call.end(status.UNAVAILABLE, '');
      played.clock.advance(wait);
    }
    expect([played.lost.map(({ retryInMs }) => retryInMs), played.calls.length]).toEqual([waits, waits.length + 1]);
  });

  test('is not made again before its time', () => {
    const played = streaming();
    played.call.end(status.UNAVAILABLE, '');
    played.clock.advance(0);
    played.call.end(status.UNAVAILABLE, '');
    played.clock.advance(99);
    expect(played.calls).toHaveLength(2);
  });

  test('begins anew with the waits when the stream was healthy', () => {
    const played = new PlayedWatch(reader);
    played.watch.start();
    for (const wait of [0, 100, 200]) {
      played.call.end(status.UNAVAILABLE, '');
      played.clock.advance(wait);
    }
    played.call.message(web);
    played.clock.advance(10_000);
    played.call.end(status.OK, '');
    expect(played.lost.map(({ failures }) => failures)).toEqual([1, 2, 3, 1]);
  });

  test.each([
    ['back', -86_400_000, 10_000, 1],
    ['forward', 86_400_000, 9_999, 2],
  ])('takes no notice of a wall clock that is set %s when it asks how long a stream lived', (_, jump, lived, failures) => {
    const clock = new SuspendableClock(NOW);
    const played = new PlayedWatch(reader, 0, clock);
    played.watch.start();
    played.call.end(status.UNAVAILABLE, '');
    clock.advance(0);
    played.call.message(web);
    clock.suspend(jump);
    clock.advance(lived);
    played.call.end(status.OK, '');
    expect(played.lost.map((lost) => lost.failures)).toEqual([1, failures]);
  });

  test('waits longer when each stream ends soon after its first message, so that a crash loop is no busy loop', () => {
    const played = new PlayedWatch(reader);
    played.watch.start();
    for (const wait of [0, 100, 200]) {
      played.call.message(web);
      played.clock.advance(9_999);
      played.call.end(status.OK, '');
      played.clock.advance(wait);
    }
    expect(played.lost.map(({ failures }) => failures)).toEqual([1, 2, 3]);
  });

  test.for(['OK', 'UNAVAILABLE', 'INTERNAL', 'UNKNOWN', 'RESOURCE_EXHAUSTED', 'UNAUTHENTICATED'] as const)(
    'with %s keeps what was received',
    (code) => {
      const played = streaming();
      played.call.end(status[code], '');
      expect([played.ids, played.contexts.length]).toEqual([[WEB], 1]);
    },
  );

  test('with PERMISSION_DENIED withdraws everything and is made again', () => {
    const played = streaming();
    played.call.end(status.PERMISSION_DENIED, 'no identity issued');
    played.clock.advance(0);
    expect([played.contexts.at(-1), played.calls.length]).toEqual([EMPTY_CONTEXT, 2]);
  });

  test('with PERMISSION_DENIED tells which bundles that cost, and hands on why the SVIDs are gone', () => {
    const played = streaming();
    played.call.end(status.PERMISSION_DENIED, '');
    expect([played.events.at(-1), played.reasons.at(-1)]).toEqual([
      { type: 'bundle_withdrawn', trustDomain: 'example.org', reason: expect.stringContaining('registration entry') },
      expect.stringContaining('registration entry'),
    ]);
  });

  test('with PERMISSION_DENIED is no news of a context to one that never had any', () => {
    const played = new PlayedWatch(reader);
    played.watch.start();
    played.call.end(status.PERMISSION_DENIED, '');
    expect(played.contexts).toEqual([]);
  });

  test('with PERMISSION_DENIED gives everything back once it is allowed again', () => {
    const played = streaming();
    played.call.end(status.PERMISSION_DENIED, '');
    played.clock.advance(0);
    played.call.message(web);
    expect(played.ids).toEqual([WEB]);
  });

  test.for(['INVALID_ARGUMENT', 'UNIMPLEMENTED'] as const)('with %s is never made again, and what was received stays', (code) => {
    const played = streaming();
    played.call.end(status[code], '');
    played.clock.advance(HOUR);
    expect([played.calls.length, played.ids, 'retryInMs' in (played.lost[0] ?? {})]).toEqual([1, [WEB], false]);
  });
});

describe('a peer that never speaks', () => {
  test('is given up after 40 seconds and called again', () => {
    const played = new PlayedWatch(reader);
    played.watch.start();
    const [silent] = played.calls;
    played.clock.advance(40_000);
    expect([silent?.cancelled, played.calls.length, played.lost[0]]).toMatchObject([
      true,
      2,
      { code: 'DEADLINE_EXCEEDED', details: 'connected, but no message for 40 s' },
    ]);
  });

  test('is waited for until then: an agent may have to ask others who is calling', () => {
    const played = new PlayedWatch(reader);
    played.watch.start();
    played.clock.advance(39_999);
    played.call.message(web);
    expect(played.ids).toEqual([WEB]);
  });

  test('is not heard when it speaks after it was given up', () => {
    const played = new PlayedWatch(reader);
    played.watch.start();
    played.clock.advance(40_000);
    played.calls[0]?.end(status.PERMISSION_DENIED, '');
    expect(played.lost).toHaveLength(1);
  });

  test('is left in peace once it has spoken: rotations may be far apart', () => {
    const played = streaming();
    played.clock.advance(24 * HOUR);
    expect([played.lost, played.call.cancelled]).toEqual([[], false]);
  });
});

describe('stop', () => {
  test('before start prevents that', () => {
    const played = new PlayedWatch(reader);
    played.watch.stop();
    played.watch.start();
    expect(played.calls).toEqual([]);
  });

  test('while a call opens cancels it and its watchdog', () => {
    const played = new PlayedWatch(reader);
    played.watch.start();
    played.watch.stop();
    played.clock.advance(HOUR);
    expect([played.call.cancelled, played.calls.length, played.events]).toEqual([true, 1, []]);
  });

  test('while it streams cancels the call, and a message on its way is not heard', () => {
    const played = streaming();
    played.watch.stop();
    played.call.message(api);
    expect([played.call.cancelled, played.ids]).toEqual([true, [WEB]]);
  });

  test('while it waits makes no call any more', () => {
    const played = streaming();
    played.call.end(status.UNAVAILABLE, '');
    played.watch.stop();
    played.clock.advance(HOUR);
    expect(played.calls).toHaveLength(1);
  });

  test('after the end changes nothing', () => {
    const played = streaming();
    played.call.end(status.UNIMPLEMENTED, '');
    played.watch.stop();
    expect(played.ids).toEqual([WEB]);
  });
});
