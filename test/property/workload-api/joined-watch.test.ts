/** Several Workload APIs: whatever each does, in whatever order, all that they give is served, and of what two give that of the first. */
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import type { Conflict, Event } from '../../../src/events.ts';
import type { X509BundlesResponse, X509SVID, X509SVIDResponse } from '../../../src/gen/messages.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { EMPTY_CONTEXT, type X509Context } from '../../../src/spiffe/x509-context.ts';
import { JoinedWatch } from '../../../src/workload-api/joined-watch.ts';
import { verdictOf } from '../../../src/workload-api/verdict.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';
import { fc } from '../../support/properties.ts';
import { PlayedFetch } from '../../support/workload-api/played-fetch.ts';
import { responseWith, svidMessage } from '../../support/workload-api/workload-messages.ts';
import { issueAuthority, issueLeaf, NOW } from '../../support/x509/certificates.ts';

const APIS = ['unix:///a', 'unix:///b', 'unix:///c'];
const IDS = ['spiffe://one.test/web', 'spiffe://one.test/api', 'spiffe://two.test/web'];
const far = { notAfter: Date.UTC(2031, 0) };
/** Each Workload API has its own authorities and certificates of all identities. */
const messages: readonly (readonly X509SVID[])[] = await Promise.all(
  APIS.map(async () => {
    const authorities = { 'one.test': await issueAuthority(far), 'two.test': await issueAuthority(far) };
    return Promise.all(
      IDS.map(async (id) => {
        const authority = authorities[id.slice('spiffe://'.length, -'/web'.length) as keyof typeof authorities];
        return svidMessage(id, [await issueLeaf(authority, id, far)], [authority]);
      }),
    );
  }),
);
const reader = new CertificateReader();

type Step =
  | { readonly api: number; readonly does: 'says'; readonly ids: readonly number[] }
  | { readonly api: number; readonly does: 'denies' | 'fails' };

const api = fc.nat(APIS.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ api, does: fc.constant('says' as const), ids: fc.subarray([0, 1, 2]) }) },
  { weight: 1, arbitrary: fc.record({ api, does: fc.constantFrom('denies' as const, 'fails' as const) }) },
);

class World {
  readonly clock = new ManualClock(NOW);
  readonly svids = APIS.map(() => new PlayedFetch<X509SVIDResponse>());
  /** What each gives now. */
  readonly gives: (readonly number[])[] = APIS.map(() => []);
  readonly conflicts = new Map<string, Conflict>();
  readonly events: Event[] = [];
  context: X509Context = EMPTY_CONTEXT;
  readonly watch = new JoinedWatch({
    apis: APIS.map((address, place) => ({
      address,
      fetchX509Svid: (this.svids[place] as PlayedFetch<X509SVIDResponse>).fetch,
      fetchX509Bundles: new PlayedFetch<X509BundlesResponse>().fetch,
      fetchJwtSvid: () => () => () => undefined,
      fetchJwtBundles: () => () => undefined,
      verdictOf,
    })),
    reader: () => reader,
    clock: this.clock,
    random: () => 0,
    onPermissionDenied: () => 'withdraw',
    events: (event) => {
      this.events.push(event);
      const { type } = event;
      if (type === 'workload_api_conflict') this.conflicts.set(`${event.of} ${event.name} ${event.left}`, event);
      if (type === 'workload_api_conflict_over') this.conflicts.delete(`${event.of} ${event.name} ${event.left}`);
    },
    onContext: (context) => {
      this.context = context;
    },
  });

  play(one: Step): void {
    const call = (this.svids[one.api] as PlayedFetch<X509SVIDResponse>).call;
    if (one.does === 'says') {
      call.message(responseWith(one.ids.map((id) => (messages[one.api] as readonly X509SVID[])[id] as X509SVID)));
      this.gives[one.api] = one.ids;
    } else {
      call.end(one.does === 'denies' ? status.PERMISSION_DENIED : status.UNAVAILABLE, '');
      if (one.does === 'denies') this.gives[one.api] = [];
      this.clock.advance(5_000);
    }
  }

  /** By SPIFFE ID: which of them gives it first. */
  get owners(): ReadonlyMap<string, number> {
    const pairs = this.gives.flatMap((ids, place) => ids.map((id) => [IDS[id] as string, place] as const));
    return new Map(pairs.toReversed());
  }
}

function play(steps: readonly Step[]): World {
  const world = new World();
  world.watch.start();
  for (const one of steps) world.play(one);
  // Those that have said nothing at all are not waited for any longer.
  world.clock.advance(5_000);
  return world;
}

const leafOf = (place: number, id: string) => messages[place]?.[IDS.indexOf(id)]?.x509_svid;

describe('after any sequence of what several Workload APIs can do', () => {
  test('each identity that one of them gives is served once, as the first of them gives it', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const { context, owners } = play(steps);
        expect(context.svids).toHaveLength(owners.size);
        expect(new Set(context.svids.map(({ id }) => id as string))).toEqual(new Set(owners.keys()));
        for (const { id, chain } of context.svids)
          expect(Buffer.compare(chain[0].der, leafOf(owners.get(id) as number, id) ?? Buffer.of())).toBe(0);
      }),
    );
  });

  test('the identities of the first come first, so that the default is its own', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const { context, owners } = play(steps);
        const places = context.svids.map(({ id }) => owners.get(id) as number);
        expect(places).toEqual(places.toSorted((a, b) => a - b));
      }),
    );
  });

  test('a conflict is told for as long as it lasts, and no other', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
        const { gives, owners, conflicts } = play(steps);
        const expected = gives.flatMap((ids, place) =>
          ids
            .map((id) => IDS[id] as string)
            .filter((id) => owners.get(id) !== place)
            .map((id) => `svid ${id} ${APIS[place]}`),
        );
        expect(new Set([...conflicts.keys()].filter((key) => key.startsWith('svid')))).toEqual(new Set(expected));
      }),
    );
  });
});
