/**
 * Who may have which secret: the rules of `sds.allow`. The kernel says who a peer is; its Envoy's node is what the peer says of itself, so
 * a condition on it can only narrow what the rule gives to the right user.
 */
import type { Peer } from '../events.ts';

type Matcher = (text: string) => boolean;

export interface AccessRule {
  /** The users it is for; absent: any. */
  readonly uids?: readonly number[] | undefined;
  /** The groups it is for, primary or supplementary; absent: any. */
  readonly gids?: readonly number[] | undefined;
  /** Not authenticated. Absent: any. */
  readonly nodeId?: Matcher | undefined;
  /** Not authenticated. Absent: any. */
  readonly nodeCluster?: Matcher | undefined;
  /** The names that it gives; absent: all. */
  readonly names?: readonly string[] | undefined;
}

/** What an Envoy says of itself in its first request. */
export interface ClaimedNode {
  readonly id: string;
  readonly cluster: string;
}

/** What a peer may have. The same rule always gives the same object. */
export interface Grant {
  /** As the configuration has it: `sds.allow[0]`. */
  readonly rule: string;
  readonly gives: Matcher;
  /** Whether it gives every name. */
  readonly all: boolean;
}

/** Where there are no rules, the permissions of the socket have decided. */
export const EVERYTHING: Grant = { rule: '', gives: () => true, all: true };
/** Of a peer that may not have anything any more. */
export const NOTHING: Grant = { rule: '', gives: () => false, all: false };

export interface Refusal {
  /** The rule that gives this peer nothing; absent: none is for it. */
  readonly rule?: string;
  /** A sentence without its subject. */
  readonly reason: string;
}

export type Judgement = ({ readonly kind: 'granted' } & Grant) | ({ readonly kind: 'refused' } & Refusal);

interface CompiledRule extends Omit<AccessRule, 'names'> {
  readonly judgement: Judgement;
}

const UNKNOWN: Judgement = { kind: 'refused', reason: 'the kernel does not say who it is' };
const NO_RULE: Judgement = { kind: 'refused', reason: 'no rule of sds.allow is for it' };
const NO_RULE_FOR_NODE: Judgement = { kind: 'refused', reason: 'no rule of sds.allow is for it and the node that it says it is' };

export class AccessRules {
  readonly #rules: readonly CompiledRule[];

  /** @param matcherOf makes one of patterns */
  constructor(rules: readonly AccessRule[], matcherOf: (patterns: readonly string[]) => Matcher) {
    this.#rules = rules.map(({ names, ...conditions }, i) => ({ ...conditions, judgement: judgementOf(i, names, matcherOf) }));
  }

  /** Why a peer may not even connect; undefined: it may, and its node can matter. */
  refuses(peer: Peer): Refusal | undefined {
    if (peer.credentials === undefined) return refusalOf(UNKNOWN);
    const possible = this.#rules.filter((rule) => isFor(rule, peer));
    const last = possible.findIndex(isForAnyNode);
    const reachable = last === -1 ? possible : possible.slice(0, last + 1);
    if (reachable.some(({ judgement }) => judgement.kind === 'granted')) return undefined;
    return refusalOf(reachable[0]?.judgement ?? NO_RULE);
  }

  /** By the first rule that is for this peer and this node. */
  judge(peer: Peer, node: ClaimedNode): Judgement {
    if (peer.credentials === undefined) return UNKNOWN;
    const possible = this.#rules.filter((rule) => isFor(rule, peer));
    const first = possible.find(
      ({ nodeId, nodeCluster }) => (nodeId?.(node.id) ?? true) && (nodeCluster?.(node.cluster) ?? true),
    );
    return first?.judgement ?? (possible.length === 0 ? NO_RULE : NO_RULE_FOR_NODE);
  }
}

function isFor({ uids, gids }: CompiledRule, { credentials, groups = [] }: Peer): boolean {
  if (credentials === undefined) return false;
  const { uid, gid } = credentials;
  return (uids?.includes(uid) ?? true) && (gids?.some((one) => one === gid || groups.includes(one)) ?? true);
}

function isForAnyNode({ nodeId, nodeCluster }: CompiledRule): boolean {
  return nodeId === undefined && nodeCluster === undefined;
}

function judgementOf(
  i: number,
  names: readonly string[] | undefined,
  matcherOf: (patterns: readonly string[]) => Matcher,
): Judgement {
  const rule = `sds.allow[${i}]`;
  if (names?.length === 0) return { kind: 'refused', rule, reason: `${rule} gives it nothing` };
  if (names === undefined) return { kind: 'granted', rule, gives: () => true, all: true };
  return { kind: 'granted', rule, gives: matcherOf(names), all: false };
}

function refusalOf(judgement: Judgement): Refusal | undefined {
  return judgement.kind === 'refused' ? judgement : undefined;
}
