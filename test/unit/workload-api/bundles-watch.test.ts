/** FetchX509Bundles beside FetchX509SVID: which of the two counts, and what its end means. */
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { EMPTY_CONTEXT } from '../../../src/spiffe/x509-context.ts';
import { BOTH, fingerprintOf, OWN, other, own, PARTNER, partner, reader, WEB, web } from '../../support/secrets/federation.ts';
import { PlayedWatch } from '../../support/workload-api/played-watch.ts';
import { bundlesWith, responseWith } from '../../support/workload-api/workload-messages.ts';
import { HOUR, issueCrl } from '../../support/x509/certificates.ts';

const identities = responseWith([web]);
const bundles = bundlesWith({ [OWN]: own.der, [PARTNER]: partner.der });

/** Both streams have spoken: an SVID without federation, and the bundles of two trust domains. */
function streaming(): PlayedWatch {
  const played = new PlayedWatch(reader);
  played.watch.start();
  played.call.message(identities);
  played.bundleCall.message(bundles);
  return played;
}

const authoritiesOf = (played: PlayedWatch, trustDomain: string) =>
  [...(played.contexts.at(-1)?.bundles.values() ?? [])]
    .find((bundle) => bundle.trustDomain === trustDomain)
    ?.authorities.map(({ fingerprint }) => fingerprint);

describe('bundles of their own stream', () => {
  test('are trusted beside those that come with the SVIDs', () => {
    expect(streaming().trustDomains).toEqual(['example.org', 'partner.test']);
  });

  test('come and go with its messages', () => {
    const played = streaming();
    played.bundleCall.message(bundlesWith(BOTH));
    const more = played.trustDomains;
    played.bundleCall.message(bundlesWith({}));
    expect([more, played.trustDomains]).toEqual([['example.org', 'partner.test', 'other.test'], ['example.org']]);
  });

  test('that say nothing new make no new context: a CA roll would begin twice', () => {
    const played = streaming();
    const before = played.contexts.length;
    played.bundleCall.message(bundles);
    played.call.message(identities);
    expect(played.contexts).toHaveLength(before);
  });

  test('are told when they come and when they go', () => {
    const played = streaming();
    played.bundleCall.message(bundlesWith({}));
    expect(played.events.slice(-2)).toEqual([
      { type: 'bundle_updated', trustDomain: 'partner.test', authorities: 1, notAfter: expect.any(Number) },
      { type: 'bundle_withdrawn', trustDomain: 'partner.test', reason: 'the Workload API no longer lists it' },
    ]);
  });

  test('count less than what the SVIDs were verified with', () => {
    const played = streaming();
    played.bundleCall.message(bundlesWith({ [OWN]: other.der }));
    expect(authoritiesOf(played, 'example.org')).toEqual([fingerprintOf(own)]);
  });

  test('stay when the message of the SVIDs changes', () => {
    const played = streaming();
    played.call.message(responseWith([]));
    expect(played.trustDomains).toEqual(['example.org', 'partner.test']);
  });

  test('bring their CRLs along, each once', async () => {
    const crl = await issueCrl(partner);
    const played = streaming();
    played.call.message(responseWith([web], {}, [crl]));
    played.bundleCall.message(bundlesWith(BOTH, [crl]));
    expect(played.contexts.at(-1)?.crls).toHaveLength(1);
  });

  test.for([
    ['is empty', Buffer.alloc(0)],
    ['is garbage', Buffer.from('garbage')],
    ['has no certificate that parses', web.x509_svid_key],
  ] as const)('are left out and told one by one when one %s', ([_what, bad]) => {
    const played = streaming();
    played.bundleCall.message(bundlesWith({ [OWN]: own.der, [PARTNER]: bad, 'spiffe://other.test': other.der }));
    const leftOut = played.events.filter(({ type }) => type === 'bundle_left_out');
    expect([played.trustDomains, leftOut]).toEqual([
      ['example.org', 'other.test'],
      [expect.objectContaining({ trustDomain: PARTNER })],
    ]);
  });

  test('are not handed over before it is known which identities there are: they would look withdrawn', () => {
    const played = new PlayedWatch(reader);
    played.watch.start();
    played.bundleCall.message(bundles);
    const before = played.contexts.length;
    played.call.message(identities);
    expect([before, played.contexts.length, played.trustDomains]).toEqual([0, 1, ['example.org', 'partner.test']]);
  });

  test('are handed over to a workload that has no identity', () => {
    const played = new PlayedWatch(reader);
    played.watch.start();
    played.bundleCall.message(bundles);
    played.call.end(status.PERMISSION_DENIED, 'no identity issued');
    expect([played.ids, played.trustDomains]).toEqual([[], ['example.org', 'partner.test']]);
  });

  test('stay through every further denial of an identity: their own stream speaks for them', () => {
    const played = new PlayedWatch(reader);
    played.watch.start();
    played.bundleCall.message(bundles);
    for (const _again of [1, 2, 3]) {
      played.call.end(status.PERMISSION_DENIED, '');
      played.clock.advance(5_000);
    }
    expect([played.contexts.length, played.trustDomains, played.bundleCalls.length]).toEqual([
      1,
      ['example.org', 'partner.test'],
      1,
    ]);
  });
});

describe('the end of the bundle stream', () => {
  test.for(['OK', 'UNAVAILABLE', 'INTERNAL', 'UNKNOWN', 'UNAUTHENTICATED', 'RESOURCE_EXHAUSTED'] as const)(
    'with %s keeps what it brought, and is no event',
    (code) => {
      const played = streaming();
      const before = [played.contexts.length, played.events.length];
      played.bundleCall.end(status[code], '');
      expect([[played.contexts.length, played.events.length], played.trustDomains]).toEqual([
        before,
        ['example.org', 'partner.test'],
      ]);
    },
  );

  test('is followed by another call', () => {
    const played = streaming();
    played.bundleCall.end(status.UNAVAILABLE, '');
    played.clock.advance(0);
    expect([played.bundleCalls.length, played.calls.length]).toEqual([2, 1]);
  });

  test('with PERMISSION_DENIED withdraws what it brought and nothing else', () => {
    const played = streaming();
    played.bundleCall.end(status.PERMISSION_DENIED, '');
    expect([played.ids, played.trustDomains]).toEqual([[WEB], ['example.org']]);
  });

  test('with PERMISSION_DENIED withdraws nothing when the operator wants it kept', () => {
    const played = streaming();
    played.onPermissionDenied = 'keep';
    played.bundleCall.end(status.PERMISSION_DENIED, '');
    expect(played.trustDomains).toEqual(['example.org', 'partner.test']);
  });

  test.for(['UNIMPLEMENTED', 'INVALID_ARGUMENT'] as const)('with %s is for ever, and the SVIDs do not mind', (code) => {
    const played = new PlayedWatch(reader);
    played.watch.start();
    played.bundleCall.end(status[code], '');
    played.call.message(identities);
    played.clock.advance(HOUR);
    expect([played.bundleCalls.length, played.ids, played.lost]).toEqual([1, [WEB], []]);
  });

  test.for(['UNIMPLEMENTED', 'INVALID_ARGUMENT'] as const)(
    'with %s withdraws what it brought: nobody could withdraw it any more',
    (code) => {
      const played = streaming();
      played.bundleCall.end(status[code], '');
      expect([played.ids, played.trustDomains]).toEqual([[WEB], ['example.org']]);
    },
  );
});

describe('PERMISSION_DENIED for the SVIDs', () => {
  test('withdraws what the bundle stream brought, too, and asks it anew', () => {
    const played = streaming();
    const [first] = played.bundleCalls;
    played.call.end(status.PERMISSION_DENIED, '');
    expect([played.contexts.at(-1), first?.cancelled, played.bundleCalls.length]).toEqual([EMPTY_CONTEXT, true, 2]);
  });

  test('gives the bundles back when the bundle stream does', () => {
    const played = streaming();
    played.call.end(status.PERMISSION_DENIED, '');
    played.bundleCall.message(bundles);
    expect([played.ids, played.trustDomains]).toEqual([[], ['example.org', 'partner.test']]);
  });

  test('does not hear what the bundle stream said before', () => {
    const played = streaming();
    const [first] = played.bundleCalls;
    played.call.end(status.PERMISSION_DENIED, '');
    first?.end(status.UNAVAILABLE, '');
    expect([played.contexts.at(-1), played.bundleCalls.length]).toEqual([EMPTY_CONTEXT, 2]);
  });

  test('keeps everything when the operator wants it kept, and is told all the same', () => {
    const played = streaming();
    played.onPermissionDenied = 'keep';
    played.call.end(status.PERMISSION_DENIED, '');
    expect([played.ids, played.trustDomains, played.eventTypes().at(-1)]).toEqual([
      [WEB],
      ['example.org', 'partner.test'],
      'workload_api_lost',
    ]);
  });

  test('heeds what the operator wants then, not what he wanted at first', () => {
    const played = streaming();
    played.onPermissionDenied = 'keep';
    played.call.end(status.PERMISSION_DENIED, '');
    played.clock.advance(0);
    played.onPermissionDenied = 'withdraw';
    played.call.end(status.PERMISSION_DENIED, '');
    expect(played.contexts.at(-1)).toEqual(EMPTY_CONTEXT);
  });
});

describe('stop', () => {
  test('cancels both streams', () => {
    const played = streaming();
    played.watch.stop();
    played.clock.advance(HOUR);
    expect([played.call.cancelled, played.bundleCall.cancelled, played.bundleCalls.length]).toEqual([true, true, 1]);
  });

  test('while the bundle stream waits makes no call any more', () => {
    const played = streaming();
    played.bundleCall.end(status.UNAVAILABLE, '');
    played.watch.stop();
    played.clock.advance(HOUR);
    expect(played.bundleCalls).toHaveLength(1);
  });
});
