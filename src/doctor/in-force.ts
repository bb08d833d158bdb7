/** Who may have what: as the running sidecar tells, which knows better than the flags and the environment of this command. */
import type { ClaimedNode, Judgement } from '../access/access-rules.ts';
import { type AllowEntry, configuredRules } from '../access/configured-rules.ts';
import type { Facts, Peer } from './facts.ts';

export interface SocketInForce {
  readonly mode: number;
  /** Absent: whoever may connect may have everything. */
  readonly allow?: readonly AllowEntry[];
}

const ALLOW = 'sds.allow.';

export function socketInForce({ sidecar, configuration: { sds } }: Facts): SocketInForce {
  const values = sidecar.kind === 'status' ? sidecar.status.configuration.values : {};
  const mode = Number.parseInt(String(values['sds.mode']?.value), 8);
  if (Number.isNaN(mode)) return { mode: sds.mode, ...(sds.allow && { allow: sds.allow }) };
  const entries: Record<string, unknown>[] = [];
  for (const [path, { value }] of Object.entries(values)) {
    if (!path.startsWith(ALLOW)) continue;
    const [place = '', key = '', item] = path.slice(ALLOW.length).split('.');
    const entry = entries[Number(place)] ?? {};
    entries[Number(place)] = entry;
    entry[key] = item === undefined ? value : [...((entry[key] as readonly unknown[] | undefined) ?? []), value];
  }
  return { mode, ...(entries.length > 0 && { allow: entries as readonly AllowEntry[] }) };
}

/** @returns undefined: without rules, or when it depends on a node that is not known */
export function judgementOf(facts: Facts, who: Peer, node: ClaimedNode | undefined): Judgement | undefined {
  const { allow } = socketInForce(facts);
  if (allow === undefined) return undefined;
  const { uid = -1, gid = -1, groups = [] } = who;
  const peer = { connection: 0, credentials: { uid, gid, pid: 0 }, groups };
  const rules = configuredRules(allow);
  const dependsOnNode = allow.some(({ node_id, node_cluster }) => node_id !== undefined || node_cluster !== undefined);
  if (node !== undefined || !dependsOnNode) return rules.judge(peer, node ?? { id: '', cluster: '' });
  const refusal = rules.refuses(peer);
  return refusal && { kind: 'refused', ...refusal };
}

/** Of the Envoy that is meant. */
export function nodeOf({ envoy, bootstrap }: Facts): ClaimedNode | undefined {
  return (envoy?.kind === 'running' ? envoy.envoy.configuration : bootstrap)?.node;
}
