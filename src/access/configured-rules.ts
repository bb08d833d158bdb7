/** `sds.allow` of a configuration, as rules. */
import { exactMatcherOf } from '../config/values/pattern.ts';
import { AccessRules } from './access-rules.ts';

/** An entry of `sds.allow`, as the configuration has it. */
export interface AllowEntry {
  readonly uid?: readonly number[] | undefined;
  readonly gid?: readonly number[] | undefined;
  readonly node_id?: readonly string[] | undefined;
  readonly node_cluster?: readonly string[] | undefined;
  readonly names?: readonly string[] | undefined;
}

export function configuredRules(allow: readonly AllowEntry[]): AccessRules {
  const rules = allow.map(({ uid, gid, node_id, node_cluster, names }) => ({
    uids: uid,
    gids: gid,
    nodeId: node_id && exactMatcherOf(node_id),
    nodeCluster: node_cluster && exactMatcherOf(node_cluster),
    names,
  }));
  return new AccessRules(rules, exactMatcherOf);
}
