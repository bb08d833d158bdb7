import { expect, test } from 'vitest';
import { siege } from './siege.ts';
import { Target } from './target.ts';

const ATTACKS = [
  'PING flood',
  'headers of 14 kB on each stream',
  'FetchSecrets as fast as it goes',
  'names with control characters',
  'NACKs with control characters and 100 kB',
];
/** Why the connections of these attackers ended. */
const BUDGETS = [/the headers of a call have \d+ bytes/, /more than \d+ calls a second that are answered or refused/];
/** Of those that stand in what a peer says: what a terminal, a reader of lines or a page would take for its own. */
const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

test('a sidecar survives attacks one after the other, serves a good client, and says nothing that it should not', async () => {
  await using target = await Target.start({ program: 'source' });
  for (const attack of ATTACKS) {
    const { alive, logLines, auditLines, deliveries } = await siege(target, [attack], {
      attackSeconds: 1,
      recoverySeconds: 0,
      rotationEveryMs: 200,
    });
    expect({ attack, alive }).toEqual({ attack, alive: true });
    expect(logLines, attack).toBeLessThanOrEqual(100);
    expect(auditLines, attack).toBeLessThanOrEqual(100);
    // Two of each rotation, besides.
    if (attack.startsWith('FetchSecrets')) expect(deliveries).toBeLessThanOrEqual(100);
  }
  for (const budget of BUDGETS) expect(budget.test(target.log), String(budget)).toBe(true);
  for (const line of [...target.log.trim().split('\n'), ...target.audit.trim().split('\n')]) {
    expect(line).not.toMatch(CONTROL);
    expect(() => JSON.parse(line)).not.toThrow();
  }
  const [metrics, status] = [await target.page('/metrics'), await target.page('/v1/status')];
  expect(metrics.replaceAll('\n', '')).not.toMatch(CONTROL);
  expect(metrics.split('\n').length).toBeLessThan(1_000);
  expect(() => JSON.parse(status)).not.toThrow();
  expect(status.replaceAll(/\n/g, '')).not.toMatch(CONTROL);
}, 120_000);
