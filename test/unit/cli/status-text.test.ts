import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { type Status, statusOf } from '../../../src/admin/status.ts';
import type { Subscribers } from '../../../src/admin/subscribers.ts';
import { type Paint, statusText, type Tone } from '../../../src/cli/status-text.ts';
import type { Event } from '../../../src/events.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { Observed } from '../../../src/state/observed.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';
import { loadText } from '../../support/sidecar/configuration.ts';

const START = Date.UTC(2030, 0, 1);
const MINUTE = 60_000;
const at = (minutes: number) => new Date(START + minutes * MINUTE).toISOString();
const id = parseSpiffeId('spiffe://example.org/web');
const trustDomain = parseTrustDomain('example.org');

const HEALTHY: readonly Event[] = [
  { type: 'listening', address: 'unix:///s.sock', mode: '0660' },
  { type: 'workload_api_connected', address: 'unix:///agent.sock', afterMs: 1 },
  { type: 'message_received', message: 1, method: 'FetchX509SVID' },
  { type: 'svid_received', id, hint: 'internal', serial: '0a', notAfter: START + 60 * MINUTE },
  { type: 'bundle_updated', trustDomain, authorities: 1, notAfter: START + 1000 * MINUTE },
];
const NOBODY: Subscribers = { subscribers: [], total: 0, held: [] };

/** Ten minutes after the start, when these events came in its first moment. */
function statusAfter(events: readonly Event[], subscribers: Subscribers = NOBODY, text = ''): Status {
  const observed = new Observed(new ManualClock(START));
  for (const event of events) observed.hear(event);
  return statusOf({
    observed,
    listen: { kind: 'unix', path: '/s.sock' },
    loaded: loadText(text, { flags: { workload_api: 'unix:///agent.sock' } }),
    names: new Map([['default', { kind: 'tls_certificate', id, versions: ['a'] }]]),
    counts: { connections: 1, streams: 2, subscriptions: 3, held: 1 },
    subscribers,
    now: START + 10 * MINUTE,
  });
}

const WAITING: Subscribers = {
  subscribers: [
    {
      stream: 7,
      method: 'sotw',
      node: 'edge',
      peer: { connection: 3, uid: 101, gid: 102, pid: 77 },
      opened_at: at(0),
      names: [
        { name: 'default', kind: 'tls_certificate', sent: 'b', in_use: 'a', rejected: 'b' },
        { name: 'defualt', held: true },
      ],
      unanswered: 1,
      last_ack: at(1),
      last_nack: { at: at(2), names: ['default'], reason: 'no key' },
    },
  ],
  total: 1,
  held: [{ name: 'defualt', streams: 1 }],
};
/** Everything that can be wrong. */
const TROUBLE: readonly Event[] = [
  ...HEALTHY,
  { type: 'svid_rotated', id, hint: '', serial: '0b', notAfter: START + 5 * MINUTE, warning: 'small key' },
  { type: 'context_discarded', message: 2, code: 'svid_invalid', reason: 'no URI SAN' },
  {
    type: 'workload_api_lost',
    address: 'unix:///agent.sock',
    code: 'PERMISSION_DENIED',
    details: 'no identity issued',
    meaning: 'no entry',
    failures: 2,
    retryInMs: 100,
  },
  { type: 'trust_domain_distrusted', trustDomain },
  { type: 'configuration_rejected', reason: 'a typo' },
  { type: 'telemetry_failed', reason: 'connect ECONNREFUSED', about: 'http://collector:4317' },
];

describe('the status as text', () => {
  test('begins with whose it is, whether it is ready, since when, and which names are held', () => {
    const [first] = statusText(statusAfter(HEALTHY, WAITING)).split('\n');
    expect(first).toMatch(/^spiffe-sds \S+ on unix:\/\/\/s\.sock, ready, up 10m, 1 name held: defualt$/);
  });

  test('tells times as people do, wherever they stand', () => {
    const text = statusText(statusAfter(TROUBLE, WAITING));
    expect(text).not.toMatch(/\d{4}-\d\d-\d\dT/);
    expect(text).toMatch(/^ {2}expiry: spiffe:\/\/example\.org\/web has expired 5m ago: /m);
    expect(text).toMatch(/^ {2}spiffe:\/\/example\.org\/web +- +expired 5m ago +10m ago +default$/m);
    expect(text).toMatch(/^ {2}Workload API +unix:\/\/\/agent\.sock, denied 10m ago, last message 10m ago$/m);
  });

  test('tells how long an SVID that is not valid yet will not be', () => {
    const from = START + 12 * MINUTE;
    const late: Event = { type: 'svid_not_yet_valid', id, serial: '0a', from, inMs: 12 * MINUTE, meanwhile: 'nothing' };
    expect(statusText(statusAfter([HEALTHY[0] as Event, late]))).toContain(`${id} is not valid for the next 2m by this`);
  });

  test('tells what does not work beside the secrets, and that it is harmless', () => {
    expect(statusText(statusAfter(TROUBLE))).toMatch(
      /^ {2}telemetry +trouble since 10m ago, last 10m ago; secrets are served all the same: connect ECONNREFUSED$/m,
    );
  });

  test('in node mode tells who the workloads are, and who has no identity', () => {
    const workload = (number: number, uid: number) => ({ number, pid: 100 + number, uid });
    const events: readonly Event[] = [
      { type: 'workload_begun', workload: workload(1, 33) },
      { type: 'svid_received', id, hint: '', serial: '0a', notAfter: START + 30 * MINUTE, workload: workload(1, 33) },
      { type: 'workload_api_connected', address: 'unix:///broker.sock', afterMs: 1, workload: workload(1, 33) },
      { type: 'workload_begun', workload: workload(2, 34) },
    ];
    const text = statusText(statusAfter([...HEALTHY, ...events], NOBODY, 'mode: node\nbroker: { address: "unix:///b" }'));
    expect(text).toMatch(/^ {2}33 +101 +spiffe:\/\/example\.org\/web +20m +connected +10m ago$/m);
    expect(text).toMatch(/^ {2}34 +102 +none +- +connecting +10m ago$/m);
  });

  test('is the same with colours, which move nothing', () => {
    const used = new Set<Tone>();
    const paint: Paint = (text, tone) => {
      used.add(tone);
      return `\u001b[31m${text}\u001b[39m`;
    };
    for (const status of [statusAfter(HEALTHY), statusAfter(TROUBLE, WAITING)])
      expect(stripVTControlCharacters(statusText(status, paint))).toBe(statusText(status));
    expect(used).toEqual(new Set(['good', 'bad', 'warning', 'heading']));
  });
});
