/** For how long a verifier may keep the keys: the longer they have been the same, the longer. */
import { expect, test } from 'vitest';
import { jwksAnswer } from '../../../src/admin/jwks.ts';
import { ManualClock } from '../../support/clocks/manual-clock.ts';
import { NOW } from '../../support/x509/certificates.ts';

const MINUTE = 60_000;
const asked = { query: new URLSearchParams(), accept: '', ifNoneMatch: '' };

async function maxAge(age: number, refreshHintMs?: number): Promise<string | undefined> {
  const published = { document: '{"keys":[]}', since: NOW - age, ...(refreshHintMs !== undefined && { refreshHintMs }) };
  const source = { known: () => Promise.resolve(), of: () => published };
  return (await jwksAnswer(source, '/v1/jwks/example.org', asked, new ManualClock(NOW))).headers?.['cache-control'];
}

test.each([
  [0, undefined, 5],
  [MINUTE, undefined, 6],
  [30 * MINUTE, undefined, 180],
  [24 * 60 * MINUTE, undefined, 300],
  [24 * 60 * MINUTE, 30_000, 30],
  [24 * 60 * MINUTE, 24 * 60 * MINUTE, 300],
])('unchanged for %i ms, with a refresh hint of %s ms: %i s', async (age, hint, seconds) => {
  expect(await maxAge(age, hint)).toBe(`public, max-age=${seconds}`);
});

test('a Workload API that says nothing is 503 after a while', async () => {
  const clock = new ManualClock(NOW);
  const silent = { known: () => new Promise<void>(() => undefined), of: () => undefined };
  const answer = jwksAnswer(silent, '/v1/jwks/example.org', asked, clock);
  clock.advance(5_000);
  expect(await answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
});
