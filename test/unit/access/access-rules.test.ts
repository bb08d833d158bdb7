import { describe, expect, test } from 'vitest';
import { type AccessRule, AccessRules } from '../../../src/access/access-rules.ts';
import { exactMatcherOf } from '../../../src/config/values/pattern.ts';
import type { Peer } from '../../../src/events.ts';

const NOBODY = { id: '', cluster: '' };

function rules(...given: readonly AccessRule[]): AccessRules {
  return new AccessRules(given, exactMatcherOf);
}

function peer(uid: number, gid = uid, groups: readonly number[] = []): Peer {
  return { connection: 1, credentials: { uid, gid, pid: 7 }, groups };
}

/** The rule and which of these names it gives; else why it is refused. */
function verdict(allow: AccessRules, who: Peer, node = NOBODY, names = ['default', 'ROOTCA']): unknown {
  const judgement = allow.judge(who, node);
  return judgement.kind === 'granted' ? [judgement.rule, names.filter(judgement.gives)] : judgement.reason;
}

describe('a rule is for', () => {
  test('the users that it lists', () => {
    const allow = rules({ uids: [101, 102] });
    expect(verdict(allow, peer(102))).toEqual(['sds.allow[0]', ['default', 'ROOTCA']]);
    expect(verdict(allow, peer(103))).toBe('no rule of sds.allow is for it');
  });

  test('the groups that it lists, primary or supplementary', () => {
    const allow = rules({ gids: [200] });
    expect([peer(1, 200), peer(1, 1, [5, 200]), peer(200, 1)].map((one) => allow.judge(one, NOBODY).kind)).toEqual([
      'granted',
      'granted',
      'refused',
    ]);
  });

  test('users in groups, when it lists both', () => {
    const allow = rules({ uids: [101], gids: [200] });
    expect([peer(101, 200), peer(101, 1), peer(102, 200)].map((one) => allow.judge(one, NOBODY).kind)).toEqual([
      'granted',
      'refused',
      'refused',
    ]);
  });

  test('nobody whom the kernel does not name', () => {
    const allow = rules({});
    expect(allow.refuses({ connection: 1 })).toMatchObject({ reason: 'the kernel does not say who it is' });
    expect(verdict(allow, { connection: 1 })).toBe('the kernel does not say who it is');
  });
});

describe('of several rules', () => {
  const allow = rules({ uids: [101], names: ['ROOTCA'] }, { uids: [102], names: [] }, { gids: [200] });

  test('the first that fits decides, also when a later one gives more', () => {
    expect(verdict(allow, peer(101, 200))).toEqual(['sds.allow[0]', ['ROOTCA']]);
  });

  test('one that gives nothing refuses', () => {
    expect(allow.refuses(peer(102, 200))).toMatchObject({ rule: 'sds.allow[1]', reason: 'sds.allow[1] gives it nothing' });
    expect(allow.refuses(peer(103, 200))).toBeUndefined();
  });
});

describe('a rule for a node', () => {
  const edge = { id: 'edge-1', cluster: 'edge' };
  const allow = rules(
    { uids: [101], nodeId: exactMatcherOf(['edge-*']), nodeCluster: exactMatcherOf(['edge']), names: ['default'] },
    { uids: [101], nodeId: exactMatcherOf(['other']), names: [] },
  );

  test('fits only the node that says so', () => {
    expect(verdict(allow, peer(101), edge)).toEqual(['sds.allow[0]', ['default']]);
    expect(verdict(allow, peer(101), { ...edge, cluster: 'core' })).toBe(
      'no rule of sds.allow is for it and the node that it says it is',
    );
  });

  test('is never for another user, whatever node that says it is', () => {
    expect(verdict(allow, peer(102), edge)).toBe('no rule of sds.allow is for it');
  });

  test('lets a peer connect, since its node is not known yet', () => {
    expect(allow.refuses(peer(101))).toBeUndefined();
  });
});

test('no rules at all let nobody in', () => {
  expect(rules().refuses(peer(0))).toMatchObject({ reason: 'no rule of sds.allow is for it' });
});

test('upper and lower case of a name differ', () => {
  const allow = rules({ uids: [101], names: ['spiffe://example.org/api*'] });
  expect(verdict(allow, peer(101), NOBODY, ['spiffe://example.org/api/1', 'spiffe://example.org/API/1'])).toEqual([
    'sds.allow[0]',
    ['spiffe://example.org/api/1'],
  ]);
});
