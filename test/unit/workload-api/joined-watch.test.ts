/** Several Workload APIs: when the first context comes, what a change of the list does, and where tokens come from. */
import { status } from '@grpc/grpc-js';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Event } from '../../../src/events.ts';
import type { JWTBundlesResponse, X509BundlesResponse, X509SVIDResponse } from '../../../src/gen/messages.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import type { X509Context } from '../../../src/spiffe/x509-context.ts';
import { JoinedWatch } from '../../../src/workload-api/joined-watch.ts';
import { verdictOf } from '../../../src/workload-api/verdict.ts';
import type { WorkloadApi } from '../../../src/workload-api/workload-api.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';
import { PlayedFetch } from '../../support/workload-api/played-fetch.ts';
import { responseWith, svidMessage } from '../../support/workload-api/workload-messages.ts';
import { issueAuthority, issueLeaf, NOW } from '../../support/x509/certificates.ts';

const OLD_ID = 'spiffe://old.test/web';
const NEW_ID = 'spiffe://new.test/web';
const [oldCa, newCa] = [await issueAuthority({ name: 'old.test' }), await issueAuthority({ name: 'new.test' })];
const oldIdentity = responseWith([svidMessage(OLD_ID, [await issueLeaf(oldCa, OLD_ID)], [oldCa])]);
const newIdentity = responseWith([svidMessage(NEW_ID, [await issueLeaf(newCa, NEW_ID)], [newCa])]);

/** A Workload API that the test plays. */
class Played {
  readonly svids = new PlayedFetch<X509SVIDResponse>();
  readonly jwtBundles = new PlayedFetch<JWTBundlesResponse>();
  /** For which identities it was asked for tokens. */
  readonly tokensOf: string[] = [];
  readonly api: WorkloadApi;

  constructor(address: string) {
    this.api = {
      address,
      fetchX509Svid: this.svids.fetch,
      fetchX509Bundles: new PlayedFetch<X509BundlesResponse>().fetch,
      fetchJwtSvid: ({ spiffe_id }) => {
        this.tokensOf.push(spiffe_id);
        return () => () => undefined;
      },
      fetchJwtBundles: this.jwtBundles.fetch,
      verdictOf,
    };
  }
}

let clock: ManualClock;
let old: Played;
let next: Played;
let events: Event[];
let contexts: X509Context[];
let reasons: string[];
let watch: JoinedWatch;

beforeEach(() => {
  clock = new ManualClock(NOW);
  [old, next] = [new Played('unix:///old'), new Played('unix:///new')];
  [events, contexts, reasons] = [[], [], []];
});

function start(...apis: readonly Played[]): void {
  watch = new JoinedWatch({
    apis: apis.map(({ api }) => api),
    reader: () => new CertificateReader(),
    clock,
    random: () => 0,
    onPermissionDenied: () => 'withdraw',
    events: (event) => events.push(event),
    onContext: (context, reason) => {
      contexts.push(context);
      reasons.push(reason);
    },
  });
  watch.start();
}

const configure = (...apis: readonly Played[]) => watch.configure(apis.map(({ api }) => api));
const served = () => contexts.at(-1)?.svids.map(({ id }) => id as string);
const told = <T extends Event['type']>(type: T) => events.filter((event) => event.type === type);

describe('the first context of several', () => {
  test('waits for the others, so that the default identity is that of the first in the list', () => {
    start(old, next);
    next.svids.call.message(newIdentity);
    expect(contexts).toEqual([]);
    old.svids.call.message(oldIdentity);
    expect(contexts).toHaveLength(1);
    expect(served()).toEqual([OLD_ID, NEW_ID]);
  });

  test('does not wait for one that cannot be reached, or denies', () => {
    start(old, next);
    next.svids.call.message(newIdentity);
    old.svids.call.end(status.UNAVAILABLE, 'gone');
    expect(served()).toEqual([NEW_ID]);
  });

  test('waits no longer than 5 s for one that is silent', () => {
    start(old, next);
    next.svids.call.message(newIdentity);
    clock.advance(4_999);
    expect(contexts).toEqual([]);
    clock.advance(1);
    expect(served()).toEqual([NEW_ID]);
  });
});

describe('of several', () => {
  test('one that is away withdraws nothing, and one that denies withdraws what it gave', () => {
    start(old, next);
    old.svids.call.message(oldIdentity);
    next.svids.call.message(newIdentity);
    old.svids.call.end(status.UNAVAILABLE, 'gone');
    expect(served()).toEqual([OLD_ID, NEW_ID]);
    next.svids.call.end(status.PERMISSION_DENIED, 'no entry');
    expect(served()).toEqual([OLD_ID]);
    expect([...(contexts.at(-1)?.bundles.keys() ?? [])]).toEqual(['old.test']);
    expect(told('bundle_withdrawn')).toMatchObject([{ trustDomain: 'new.test' }]);
  });

  test('each is named in what is told of it, and nobody where there is one', () => {
    start(old, next);
    old.svids.call.message(oldIdentity);
    expect(told('context_received')).toMatchObject([{ source: 'unix:///old' }]);
    events.length = 0;
    start(old);
    old.svids.call.message(oldIdentity);
    expect(events.some((event) => 'source' in event || event.type === 'workload_apis')).toBe(false);
  });

  test('the one that gives an identity is asked for its tokens', () => {
    start(old, next);
    old.svids.call.message(oldIdentity);
    next.svids.call.message(newIdentity);
    watch.tokens.fetchJwtSvid({ audience: ['a'], spiffe_id: NEW_ID });
    watch.tokens.fetchJwtSvid({ audience: ['a'], spiffe_id: OLD_ID });
    expect([old.tokensOf, next.tokensOf]).toEqual([[OLD_ID], [NEW_ID]]);
  });

  test('keys of tokens are there when each has answered, and one that is away is not waited for', async () => {
    start(old, next);
    next.svids.call.end(status.UNAVAILABLE, 'gone');
    let known = false;
    const done = watch.jwtBundles.known().then(() => {
      known = true;
    });
    await Promise.resolve();
    expect(known).toBe(false);
    old.jwtBundles.call.message({ bundles: { 'spiffe://old.test': Buffer.from('{"keys":[]}') } });
    await done;
    expect(watch.jwtBundles.of('new.test')).toBeUndefined();
  });
});

describe('another list', () => {
  test('keeps those that it names, without asking them again', () => {
    start(old);
    old.svids.call.message(oldIdentity);
    configure(old, next);
    expect(old.svids.calls).toHaveLength(1);
    next.svids.call.message(newIdentity);
    expect(served()).toEqual([OLD_ID, NEW_ID]);
  });

  test('in another order makes another the first', () => {
    start(old, next);
    old.svids.call.message(oldIdentity);
    next.svids.call.message(newIdentity);
    configure(next, old);
    expect(served()).toEqual([NEW_ID, OLD_ID]);
  });

  test('lets one go that it does not name, once all that it names have answered', () => {
    start(old);
    old.svids.call.message(oldIdentity);
    configure(next);
    expect(told('workload_apis')).toEqual([{ type: 'workload_apis', addresses: ['unix:///new'], leaving: ['unix:///old'] }]);
    next.svids.call.end(status.UNAVAILABLE, 'not yet');
    expect([served(), old.svids.call.cancelled]).toEqual([[OLD_ID], false]);
    clock.advance(5_000);
    next.svids.call.message(newIdentity);
    expect([served(), old.svids.call.cancelled]).toEqual([[NEW_ID], true]);
    expect(reasons.at(-1)).toContain('not in the configuration any more');
    expect(told('workload_apis').at(-1)).toEqual({ type: 'workload_apis', addresses: ['unix:///new'], leaving: [] });
  });

  test('lets one go although the new one denies: that is an answer', () => {
    start(old);
    old.svids.call.message(oldIdentity);
    configure(next);
    next.svids.call.end(status.PERMISSION_DENIED, 'no entry');
    expect([served(), old.svids.call.cancelled]).toEqual([[], true]);
  });

  test('may name again what is about to go', () => {
    start(old);
    old.svids.call.message(oldIdentity);
    configure(next);
    configure(old);
    expect([served(), old.svids.calls.length, next.svids.call.cancelled]).toEqual([[OLD_ID], 1, true]);
  });
});
