import { describe, expect, test } from 'vitest';
import { type Status, statusOf } from '../../../src/admin/status.ts';
import { gatherSubscribers, type SubscriberFilter, type Subscribers } from '../../../src/admin/subscribers.ts';
import { configurationDigest } from '../../../src/config/digest.ts';
import type { Event } from '../../../src/events.ts';
import type { StreamStatus } from '../../../src/sds/stream/stream-status.ts';
import type { NameDescription } from '../../../src/secrets/secret-set.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { Observed } from '../../../src/state/observed.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';
import { loadText } from '../../support/sidecar/configuration.ts';

const START = Date.UTC(2030, 0, 1);
const MINUTE = 60_000;
const at = (minutes: number) => new Date(START + minutes * MINUTE).toISOString();
const id = parseSpiffeId('spiffe://example.org/web');
const trustDomain = parseTrustDomain('example.org');
const received: Event = { type: 'svid_received', id, hint: 'internal', serial: '0a', notAfter: START + 60 * MINUTE };

const stream: StreamStatus = {
  stream: 7,
  method: 'delta',
  node: 'edge',
  peer: { connection: 3, credentials: { uid: 101, gid: 102, pid: 77 } },
  openedAt: START,
  names: [
    { name: 'default', kind: 'tls_certificate', sent: 'b', inUse: 'a', rejected: 'b', held: false },
    { name: 'nobody', held: true },
  ],
  unanswered: 1,
  lastAck: START + MINUTE,
  lastNack: { at: START + 2 * MINUTE, names: ['default'], reason: 'no key' },
};

const gathered = (streams: Iterable<StreamStatus>, filter: SubscriberFilter = {}): Promise<Subscribers> =>
  gatherSubscribers(streams, filter, async () => undefined);

/** What there is to say ten minutes after the start, when these events came in its first moment. */
function told(events: readonly Event[], { text = '', names = {} as Readonly<Record<string, NameDescription>> } = {}): Status {
  const observed = new Observed(new ManualClock(START));
  for (const event of events) observed.hear(event);
  return statusOf({
    observed,
    listen: { kind: 'unix', path: '/s.sock' },
    loaded: loadText(text, { flags: { workload_api: 'unix:///agent.sock' } }),
    names: new Map(Object.entries(names)),
    counts: { connections: 1, streams: 2, subscriptions: 3, held: 1 },
    subscribers: { subscribers: [], total: 0, held: [] },
    now: START + 10 * MINUTE,
  });
}

describe('the status', () => {
  test('says what runs, since when, and with which configuration', () => {
    expect(told([])).toMatchObject({
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      started_at: at(0),
      uptime: 600,
      ready: false,
      sds: { address: 'unix:///s.sock' },
      configuration: { digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/), file: '/x.yaml' },
      counts: { connections: 1, streams: 2, subscriptions: 3, held: 1 },
    });
  });

  test('has the time that an identity has left, and the names that serve it', () => {
    const names = {
      default: { kind: 'tls_certificate', id, versions: ['a'] },
      ROOTCA: { kind: 'validation_context', versions: [] },
    } as const;
    expect(told([received], { names })).toMatchObject({
      identities: [
        {
          id,
          hint: 'internal',
          serial: '0a',
          state: 'fresh',
          not_after: at(60),
          expires_in: 3000,
          received_at: at(0),
          names: ['default'],
        },
      ],
      names: [
        { name: 'default', kind: 'tls_certificate', versions: ['a'] },
        { name: 'ROOTCA', kind: 'validation_context', versions: [] },
      ],
    });
  });

  test('says of an identity that it has expired', () => {
    const expired: Event = { ...received, notAfter: START + 10 * MINUTE };
    expect(told([expired]).identities).toMatchObject([{ state: 'expired', expires_in: 0 }]);
  });

  test('has a trust domain that is not trusted any more, with and without a bundle', () => {
    const bundle: Event = { type: 'bundle_updated', trustDomain, authorities: 2, notAfter: START + MINUTE };
    const gone: readonly Event[] = [
      { type: 'bundle_withdrawn', trustDomain, reason: 'gone' },
      { type: 'trust_domain_distrusted', trustDomain },
    ];
    expect(told([bundle]).bundles).toEqual([
      { trust_domain: trustDomain, authorities: 2, not_after: at(1), updated_at: at(0), distrusted: false },
    ]);
    expect(told([bundle, ...gone]).bundles).toEqual([{ trust_domain: trustDomain, authorities: 0, distrusted: true }]);
  });

  test('says why the Workload API is not there', () => {
    const lost: Event = {
      type: 'workload_api_lost',
      address: 'unix:///agent.sock',
      code: 'UNAVAILABLE',
      details: 'gone',
      meaning: 'it is gone',
      failures: 2,
      retryInMs: 100,
    };
    const discarded: Event = { type: 'context_discarded', message: 1, code: 'svid_invalid', reason: 'no URI SAN' };
    const message: Event = { type: 'message_received', message: 1, method: 'FetchX509SVID' };
    expect(told([message, discarded, lost]).upstream).toEqual({
      address: 'unix:///agent.sock',
      state: 'lost',
      since: at(0),
      last_message: at(0),
      failures: 2,
      code: 'UNAVAILABLE',
      details: 'gone',
      meaning: 'it is gone',
      retried: true,
      discarded: { at: at(0), code: 'svid_invalid', reason: 'no URI SAN' },
    });
  });

  test('says what is wrong with a changed configuration, and what waits for a restart', () => {
    const reloads: readonly Event[] = [
      { type: 'configuration_reloaded', changed: [], needRestart: ['sds.listen'] },
      { type: 'configuration_rejected', reason: 'a typo' },
    ];
    expect(told(reloads).configuration).toMatchObject({
      last_reload: { at: at(0), problem: 'a typo', need_restart: ['sds.listen'] },
    });
  });
});

describe('subscribers', () => {
  test('are shown with their peer, their versions and their last answers', async () => {
    expect((await gathered([stream])).subscribers).toEqual([
      {
        stream: 7,
        method: 'delta',
        node: 'edge',
        peer: { connection: 3, uid: 101, gid: 102, pid: 77 },
        opened_at: at(0),
        names: [
          { name: 'default', kind: 'tls_certificate', sent: 'b', in_use: 'a', rejected: 'b' },
          { name: 'nobody', held: true },
        ],
        unanswered: 1,
        last_ack: at(1),
        last_nack: { at: at(2), names: ['default'], reason: 'no key' },
      },
    ]);
  });

  test.for([
    [{}, 2],
    [{ node: 'edge' }, 1],
    [{ name: 'default' }, 1],
    [{ node: 'edge', name: 'other' }, 0],
  ] as const)('with %j are %d', async ([filter, total]) => {
    const other = { ...stream, node: 'core', names: [{ name: 'other', held: false }] };
    expect(await gathered([stream, other], filter)).toMatchObject({ total });
  });

  test('that are too many are counted', async () => {
    const { subscribers, total, held } = await gathered(Array.from({ length: 1500 }, () => stream));
    expect([subscribers.length, total, held]).toEqual([1000, 1500, [{ name: 'nobody', streams: 1500 }]]);
  });

  test('with too many names show some of them, and how many more there are', async () => {
    const names = Array.from({ length: 1024 }, (_, i) => ({ name: `${i}`.padEnd(2048, 'x'), held: true }));
    const { subscribers, held } = await gathered(Array.from({ length: 1000 }, () => ({ ...stream, names })));
    const shown = subscribers.reduce((sum, { names }) => sum + names.length, 0);
    const leftOut = subscribers.reduce((sum, { names_left_out = 0 }) => sum + names_left_out, 0);
    expect([shown, leftOut, held.length]).toEqual([10_000, 1_014_000, 1000]);
    expect(subscribers[0]?.names[0]?.name).toHaveLength(513);
  });

  test('that are many do not keep others waiting', async () => {
    let pauses = 0;
    await gatherSubscribers(
      Array.from({ length: 1000 }, () => stream),
      {},
      async () => {
        pauses += 1;
      },
    );
    expect(pauses).toBe(20);
  });
});

describe('the digest of a configuration', () => {
  const digest = (text: string) => configurationDigest(loadText(text).configuration);
  const headers = (more: string) => `telemetry: { otlp: { headers: { ${more} } } }`;

  test.for([
    ['what a default says', '', 'names: { preset: spire }'],
    ['the order of keys', headers('a: x, b: y'), headers('b: y, a: x')],
    ['the value of a header', headers('authorization: Bearer one'), headers('authorization: Bearer two')],
  ])('does not depend on %s', ([_, one, other]) => {
    expect(digest(one as string)).toBe(digest(other as string));
  });

  test('is another one when anything else is different', () => {
    expect(new Set(['', 'validation: { crl: false }', headers('a: x')].map(digest)).size).toBe(3);
  });
});
