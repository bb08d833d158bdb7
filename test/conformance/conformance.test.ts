/**
 * The SDS conformance suite: one test for each rule. With SDS_SOCKET=/path, and where the names differ SDS_NAMES=cert=NAME,bundle=NAME,
 * those that need no control over the source of secrets run against any SDS server.
 */
import { describe, expect, test } from 'vitest';
import type { Row } from './row.ts';
import { acknowledgements } from './rows/acknowledgements.ts';
import { aggregated } from './rows/aggregated.ts';
import { caRoll } from './rows/ca-roll.ts';
import { content } from './rows/content.ts';
import { delta } from './rows/delta/delta.ts';
import { deltaGone } from './rows/delta/delta-gone.ts';
import { deltaResumed } from './rows/delta/delta-resumed.ts';
import { fetched } from './rows/fetched.ts';
import { firstRequest } from './rows/first-request.ts';
import { flow } from './rows/flow.ts';
import { grpc } from './rows/grpc.ts';
import { isolation } from './rows/isolation.ts';
import { malformed } from './rows/malformed.ts';
import { names } from './rows/names.ts';
import { refusedDomains } from './rows/refused-domains.ts';
import { rejectionMemory } from './rows/rejection-memory.ts';
import { rejections } from './rows/rejections.ts';
import { subscriptions } from './rows/subscriptions.ts';
import { tokens } from './rows/tokens.ts';
import { validation } from './rows/validation.ts';
import { versions } from './rows/versions.ts';
import { wildcard } from './rows/wildcard.ts';
import { foreignSocket, runRow } from './target.ts';

const SECTIONS: Readonly<Record<string, readonly Row[]>> = {
  'first request': firstRequest,
  ACK: acknowledgements,
  NACK: rejections,
  'a NACK of several secrets': isolation,
  'a NACK and a reconnect': rejectionMemory,
  'a NACK of one trust domain': refusedDomains,
  subscriptions,
  'nonces and versions': versions,
  names,
  'requests that do not parse': malformed,
  'everything at once': wildcard,
  certificates: content,
  'validation contexts': validation,
  tokens,
  delta,
  'delta: a client that had secrets before': deltaResumed,
  'delta: what is gone': deltaGone,
  FetchSecrets: fetched,
  'aggregated streams': aggregated,
  'a CA roll': caRoll,
  'flow, limits and shutdown': flow,
  'gRPC over HTTP/2': grpc,
};

for (const [section, rows] of Object.entries(SECTIONS)) {
  describe(section, () => {
    for (const row of rows) {
      test(`${row.rule} (fact ${row.fact})`, async ({ skip }) => {
        skip(foreignSocket !== undefined && row.needs === 'source', 'needs control over the source of secrets');
        await runRow(row);
      });
    }
  });
}

test('no rule stands twice', () => {
  const rules = Object.entries(SECTIONS).flatMap(([section, rows]) => rows.map(({ rule }) => `${section}: ${rule}`));
  expect(new Set(rules).size).toBe(rules.length);
});
