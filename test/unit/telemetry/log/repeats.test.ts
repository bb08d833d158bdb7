import { pino } from 'pino';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Event } from '../../../../src/events.ts';
import { parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts';
import { logEvents } from '../../../../src/telemetry/log/log.ts';
import { ManualClock } from '../../../support/clocks/manual-clock.ts';

const MINUTE_MS = 60_000;

const peer = { connection: 3, credentials: { uid: 101, gid: 102, pid: 77 } };
const stream = { stream: 7, method: 'sotw', node: 'edge', peer } as const;
const lost: Event = {
  type: 'workload_api_lost',
  address: 'unix:///a',
  code: 'UNAVAILABLE',
  details: 'gone',
  meaning: 'it is gone',
  failures: 1,
  retryInMs: 100,
};
const connected: Event = { type: 'workload_api_connected', address: 'unix:///a', afterMs: 1 };
const held: Event = { type: 'names_held', ...stream, names: ['x'], available: ['default'] };

interface Line {
  readonly event: string;
  readonly msg: string;
  readonly repeated?: number;
}

let clock: ManualClock;
let lines: Line[];
let tell: (event: Event) => void;

beforeEach(() => {
  clock = new ManualClock(0);
  lines = [];
  const log = pino({ level: 'info', base: null, timestamp: false }, { write: (line) => lines.push(JSON.parse(line)) });
  tell = logEvents(log, clock);
});

/** What was written since it was asked last. */
function fresh(): readonly Line[] {
  return lines.splice(0);
}

describe('what happens again and again', () => {
  test('is written at once, and once more after a minute, with a count', () => {
    for (let failures = 1; failures <= 31; failures++) tell({ ...lost, failures });
    expect(fresh()).toHaveLength(1);
    clock.advance(MINUTE_MS);
    expect(fresh()).toEqual([
      expect.objectContaining({
        event: 'workload_api_lost',
        failures: 31,
        repeated: 30,
        msg: 'it is gone (unix:///a: UNAVAILABLE: gone) (30 more like this in the last minute)',
      }),
    ]);
  });

  test('is written once a minute as long as it goes on, and is new after a quiet minute', () => {
    tell(lost);
    for (const _minute of [1, 2]) {
      tell(lost);
      clock.advance(MINUTE_MS);
    }
    expect(fresh().map(({ repeated }) => repeated)).toEqual([undefined, 1, 1]);
    clock.advance(MINUTE_MS);
    tell(lost);
    expect(fresh()).toEqual([expect.not.objectContaining({ repeated: expect.anything() })]);
  });

  test('is written at once when its reason is new', () => {
    for (const details of ['gone', 'gone', 'refused']) tell({ ...lost, details } as Event);
    expect(fresh().map(({ msg }) => msg)).toEqual([
      'it is gone (unix:///a: UNAVAILABLE: gone)',
      'it is gone (unix:///a: UNAVAILABLE: refused)',
    ]);
  });

  test('of the coming and going of the Workload API ends with what it came to', () => {
    for (const event of [lost, connected, lost, connected, lost]) tell(event);
    expect(fresh().map(({ event }) => event)).toEqual(['workload_api_lost', 'workload_api_connected']);
    clock.advance(MINUTE_MS);
    expect(fresh()).toMatchObject([
      { event: 'workload_api_connected', repeated: 1 },
      { event: 'workload_api_lost', repeated: 2 },
    ]);
  });

  test('is not lost when the sidecar stops', () => {
    for (const event of [held, held, held, { type: 'stopped' } as const]) tell(event);
    expect(fresh()).toMatchObject([{ event: 'names_held' }, { event: 'names_held', repeated: 2 }, { event: 'stopped' }]);
  });
});

describe('a peer', () => {
  test('that connects too often has one line for all its processes', () => {
    for (let pid = 1; pid <= 50; pid++)
      tell({ type: 'connection_refused', limit: 64, peer: { connection: pid, credentials: { uid: 101, gid: 102, pid } } });
    expect(fresh()).toHaveLength(1);
  });

  test('that makes up names has a hundred lines in a minute, and what was too much is counted', () => {
    for (let n = 0; n < 500; n++) tell({ ...held, names: [`x${n}`] } as Event);
    expect(fresh()).toHaveLength(99);
    clock.advance(MINUTE_MS);
    expect(fresh()).toMatchObject([
      { repeated: 401, msg: expect.stringMatching(/ \(401 more of its kind in the last minute\)$/) },
    ]);
  });

  test('that makes up many names at once is shown twenty of them', () => {
    tell({ ...held, names: Array.from({ length: 1000 }, (_, n) => `x${n}`) } as Event);
    expect(fresh()).toEqual([
      expect.objectContaining({
        names: Array.from({ length: 20 }, (_, n) => `x${n}`),
        msg: expect.stringMatching(/no secret named x0, .*, x19 and 980 more: held/),
      }),
    ]);
  });
});

test('what is not about failure is written each time', () => {
  const updated: Event = { type: 'bundle_updated', trustDomain: parseTrustDomain('example.org'), authorities: 1, notAfter: 0 };
  for (const event of [updated, updated]) tell(event);
  expect(fresh()).toHaveLength(2);
});
