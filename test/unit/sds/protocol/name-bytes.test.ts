import { describe, expect, test } from 'vitest';
import { NameShare, nameBudget, nameBytes } from '../../../../src/sds/protocol/name-bytes.ts';

const MIB = 1024 ** 2;

test('a name counts with its text, the version that its client says it has, and something for its state', () => {
  const bytes = nameBytes(new Map([['a', {}]]));
  expect(nameBytes(new Map([['abc', {}]]))).toBe(bytes + 2);
  expect(nameBytes(new Map([['a', { holds: '1234' }]]))).toBe(bytes + 4);
});

describe('the names of streams', () => {
  test('may take 32 MiB on a connection, and a stream that wants more may have none', () => {
    const budget = nameBudget();
    const [first, second, elsewhere] = [new NameShare(budget, 1), new NameShare(budget, 1), new NameShare(budget, 2)];
    expect([first.become(31 * MIB), second.become(2 * MIB), second.become(3 * MIB)]).toEqual([true, true, false]);
    expect(elsewhere.become(1)).toBe(true);
  });

  test('may take 64 MiB of all connections', () => {
    const budget = nameBudget();
    const shares = [1, 2, 3, 4].map((connection) => new NameShare(budget, connection));
    expect(shares.map((share) => share.become(22 * MIB))).toEqual([true, true, true, false]);
  });

  test('give back what they took', () => {
    const budget = nameBudget();
    const share = new NameShare(budget, 1);
    for (let i = 0; i < 10; i++) expect([share.become(31 * MIB), share.become(0)]).toEqual([true, true]);
    expect(budget.all).toBe(0);
  });
});
