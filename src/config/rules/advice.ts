/** What is legal and unwise: `check` and `doctor` say it, and nothing refuses it. */
import type { Configuration } from '../schema/schema.ts';

/** One sentence for each: what it means, and what to write instead. */
export function adviceOn({ admin, sds, validation }: Configuration): readonly string[] {
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
  ];
}
