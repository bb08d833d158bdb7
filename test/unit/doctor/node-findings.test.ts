/** Doctor in node mode: each process has names of its own, and the broker says which. */
import { describe, expect, it } from 'vitest';
import type { WorkloadStatus } from '../../../src/admin/status.ts';
import { findingsOf } from '../../../src/doctor/diagnosis.ts';
import type { Facts } from '../../../src/doctor/facts.ts';
import { HOUR, healthy, NOW, status } from '../../support/doctor/healthy-facts.ts';

const SINCE = new Date(NOW - HOUR).toISOString();
const WEB = { id: 'spiffe://example.org/web', serial: '0A', not_after: SINCE, expires_in: 3600 };

function workload(uid: number, change: Partial<WorkloadStatus> = {}): WorkloadStatus {
  const broker = { state: 'connected', since: SINCE, last_message: SINCE } as const;
  return { pid: uid + 10_000, uid, since: SINCE, broker, identities: [], trust_domains: ['example.org'], ...change };
}

const answered: Facts['sds'] = {
  ...healthy.sds,
  answer: { kind: 'secrets', secrets: [{ name: WEB.id, kind: 'tls_certificate' }] },
};

/** What doctor says without an Envoy; `healthy` asks for the identity /backend. */
function causes(workloads: readonly WorkloadStatus[], change: Partial<Facts> = {}) {
  const { envoy: _, ...rest } = healthy;
  const sidecar = { kind: 'status', status: { ...status, names: [], workloads } } as const;
  return findingsOf({ ...rest, sidecar, sds: answered, ...change }).filter(({ severity }) => severity !== 'fine');
}

describe('doctor in node mode', () => {
  it('says which user has no identity, and gives the entry that mends it', () => {
    const found = causes([workload(101)], { peer: { uid: 101, gid: 101 } });
    expect(found.map(({ id, severity }) => [id, severity])).toEqual([['node.no_identity', 'broken']]);
    expect(found[0]?.what).toBe('The broker has no identity for pid 10101 of uid 101.');
    expect(found[0]?.fix).toContain('-spiffeID spiffe://example.org/workload -selector unix:uid:101');
  });

  it('warns of it when no user is meant, once for each user', () => {
    const found = causes([workload(101), workload(101), workload(102, { identities: [WEB] })]);
    expect(found.map(({ id, severity }) => [id, severity])).toEqual([['node.no_identity', 'warning']]);
  });

  it('says nothing of the others when one user is meant', () => {
    const meant = { peer: { uid: 102, gid: 101 } };
    expect(causes([workload(101), workload(102, { identities: [WEB] })], meant)).toEqual([]);
  });

  it('says that this command has no identity, for an Envoy of the same user has none either', () => {
    const [found] = causes([], { sds: { ...healthy.sds, answer: { kind: 'empty' } } });
    expect(found?.what).toBe('The broker has no identity for this command of uid 1000.');
  });

  it('says nothing of this command when root runs it for others', () => {
    const sds = { ...healthy.sds, answer: { kind: 'empty' } } as const;
    expect(causes([workload(102, { identities: [WEB] })], { sds, self: { pid: 8, uid: 0, gid: 0 } })).toEqual([]);
  });

  it('says that the broker is away', () => {
    const broker = { state: 'lost', since: SINCE, meaning: 'the broker cannot be reached', details: 'connect ENOENT' } as const;
    expect(causes([workload(101, { broker })]).map(({ id }) => id)).toEqual(['node.broker_away']);
  });

  it('judges the names of an Envoy by the identities of its user', () => {
    const { configuration } = healthy.envoy?.kind === 'running' ? healthy.envoy.envoy : {};
    const workloads = [workload(101, { identities: [WEB] })];
    const [found] = causes(workloads, { peer: { uid: 101, gid: 101 }, ...(configuration && { bootstrap: configuration }) });
    expect(found?.id).toBe('names.not_registered');
    expect(found?.what).toContain('it has spiffe://example.org/web');
    expect(found?.fix).toContain('-spiffeID spiffe://example.org/backend -selector unix:uid:101');
  });
});
