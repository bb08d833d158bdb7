/** What is legal and unwise: `check` and `doctor` say it, and nothing refuses it. */
import { isDeepStrictEqual } from 'node:util';
import type { Configuration } from '../schema/schema.ts';
import { matcherOf } from '../values/pattern.ts';

/** One sentence for each: what it means, and what to write instead. */
export function adviceOn({ admin, names, sds, secrets, validation }: Configuration): readonly string[] {
  return [
    ...(validation.unsafe_merge
      ? [
          'validation.unsafe_merge: true lets each trust domain issue the identities of the others: write validation.mode: spiffe, which holds them apart',
        ]
      : []),
    ...((sds.mode & 0o002) === 0
      ? []
      : [
          `sds.mode: every user of this machine gets the private keys with mode ${sds.mode.toString(8).padStart(4, '0')}: write sds.mode: "0660", and name the group of your Envoy in sds.group`,
        ]),
    ...(admin.remote && admin.listen !== 'off' && admin.listen.kind === 'tcp' && admin.hosts.length === 0
      ? [
          'admin.remote: true without admin.hosts answers only those who name an IP address or localhost: list the host names that are used in admin.hosts',
        ]
      : []),
    ...(sds.allow ?? []).flatMap((rule, place, rules) => {
      const first = rules.slice(0, place).findIndex((earlier) => coversPeersOf(earlier, rule));
      return first === -1
        ? []
        : [
            `sds.allow[${place}] is never used, because sds.allow[${first}] is for the same peers and stands before it: put the narrower rule first, or remove it`,
          ];
    }),
    ...onDemandAdvice(names, secrets),
  ];
}

type Rule = NonNullable<Configuration['sds']['allow']>[number];

/** Whether the first rule is for all peers that the other is for: then it decides. */
function coversPeersOf({ uid, gid, node_id, node_cluster }: Rule, other: Rule): boolean {
  return (
    includes(uid, other.uid) &&
    includes(gid, other.gid) &&
    (node_id === undefined || isDeepStrictEqual(node_id, other.node_id)) &&
    (node_cluster === undefined || isDeepStrictEqual(node_cluster, other.node_cluster))
  );
}

/** Where one is absent it stands for all. */
function includes(ids: readonly number[] | undefined, others: readonly number[] | undefined): boolean {
  return ids === undefined || (others?.every((id) => ids.includes(id)) ?? false);
}

function onDemandAdvice(names: Configuration['names'], secrets: Configuration['secrets']): readonly string[] {
  const ofListeners = [names.default_svid, names.default_bundle, names.default_all_bundles, ...secrets.map(({ name }) => name)];
  return names.on_demand.flatMap((pattern) => {
    const shadowed = ofListeners.filter((name) => name !== '').find(matcherOf([pattern]));
    return shadowed === undefined
      ? []
      : [
          `names.on_demand: ${JSON.stringify(pattern)} is for ${shadowed}, too: until there is an identity, an Envoy is told that it does not exist, where it would wait for it: write a pattern for the names of hosts only, such as "*.example.org"`,
        ];
  });
}
