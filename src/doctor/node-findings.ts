/** Node mode: what the broker says of the processes that are meant, each of which has names of its own. */
import type { Status, WorkloadStatus } from '../admin/status.ts';
import { parseSpiffeId, trustDomainOf } from '../spiffe/spiffe-id.ts';
import type { Facts, ServedSecret } from './facts.ts';
import type { Suspicion } from './finding.ts';

const WHY = 'What it asks for is held, and its Envoy waits.';
const AGENT = `"$(spire-server agent list | awk '/SPIFFE ID/ { print $NF; exit }')"`;

/** What one user's processes have. */
export interface NodeIdentities {
  readonly uid: number;
  readonly ids: readonly string[];
  readonly trustDomains: readonly string[];
}

/** @returns undefined: not in node mode, as far as is known */
export function workloadsOf({ sidecar }: Facts): readonly WorkloadStatus[] | undefined {
  return sidecar.kind === 'status' ? sidecar.status.workloads : undefined;
}

/** Whether what this command was sent is also what the Envoy that is meant is sent. */
export function isMeant({ peer, self }: Facts): boolean {
  return peer?.uid === undefined || peer.uid === self.uid;
}

/** Of the user that is meant. @returns undefined: not in node mode */
export function nodeIdentities(facts: Facts): NodeIdentities | undefined {
  const workloads = workloadsOf(facts);
  if (workloads === undefined) return undefined;
  const uid = facts.peer?.uid ?? facts.self.uid;
  const own = isMeant(facts) ? certificates(facts).map(({ name }) => name) : [];
  const ofUser = workloads.filter((workload) => workload.uid === uid);
  const ids = [...own.filter((name) => name.startsWith('spiffe://')), ...ofUser.flatMap(identitiesOf)];
  const domains = [...ids.map((id) => trustDomainOf(parseSpiffeId(id))), ...ofUser.flatMap((one) => one.trust_domains)];
  return { uid, ids: [...new Set(ids)], trustDomains: [...new Set(domains)] };
}

export function nodeSuspicions(facts: Facts): readonly Suspicion[] {
  const workloads = workloadsOf(facts);
  if (workloads === undefined || facts.sidecar.kind !== 'status') return [];
  const { peer, self, sds } = facts;
  const meant = workloads.filter(({ pid, uid }) => pid !== self.pid && (peer?.uid === undefined || uid === peer.uid));
  const away = meant.find(({ broker }) => broker.state === 'lost');
  if (away !== undefined) return [brokerAway(away)];
  const { status } = facts.sidecar;
  const severity = peer === undefined ? 'warning' : 'broken';
  const waiting = meant.filter((workload) => hasNone(workload)).map(({ pid, uid }) => ({ pid, uid }));
  // Root and the user of spiffe-sds run this command for others.
  const isForOthers = peer === undefined && (self.uid === 0 || self.uid === status.process.uid);
  const isSelfAsked = isMeant(facts) && !isForOthers && sds.answer !== undefined && sds.answer.kind !== 'failed';
  const isSelfWithout = isSelfAsked && certificates(facts).length === 0;
  const without = [...waiting, ...(isSelfWithout ? [self] : [])];
  const first = without.filter(({ uid }, place) => without.findIndex((other) => other.uid === uid) === place);
  return first.map(({ pid, uid }) => ({
    id: 'node.no_identity',
    severity,
    what: `The broker has no identity for ${pid === self.pid ? 'this command' : `pid ${pid}`} of uid ${uid}.`,
    why: WHY,
    fix: `spire-server entry create -parentID ${AGENT} -spiffeID spiffe://${trustDomain(status)}/workload -selector unix:uid:${uid}`,
    explainedBy: ['workload_api.', 'sds.'],
  }));
}

function brokerAway({ uid, pid, broker: { address = 'its address', meaning, details } }: WorkloadStatus): Suspicion {
  return {
    id: 'node.broker_away',
    severity: 'broken',
    what: `The broker at ${address} does not say what pid ${pid} of uid ${uid} may have: ${meaning ?? 'it fails'} (${details ?? 'no details'}).`,
    why: 'Processes that are served already keep what they have until it expires; new ones get nothing.',
    fix: 'Look whether the agent runs, and whether broker.address is the socket of its broker endpoint, which admits the SPIFFE ID of spiffe-sds.',
    explainedBy: ['workload_api.'],
  };
}

function hasNone({ broker, identities }: WorkloadStatus): boolean {
  if (identities.length > 0) return false;
  return broker.state === 'denied' || (broker.state === 'connected' && broker.last_message !== undefined);
}

function identitiesOf({ identities }: WorkloadStatus): readonly string[] {
  return identities.map(({ id }) => id);
}

function certificates({ sds: { answer } }: Facts): readonly ServedSecret[] {
  return answer?.kind === 'secrets' ? answer.secrets.filter(({ kind }) => kind === 'tls_certificate') : [];
}

function trustDomain({ identities: [own] }: Status): string {
  return own === undefined ? 'example.org' : trustDomainOf(parseSpiffeId(own.id));
}
