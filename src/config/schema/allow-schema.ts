/** The schema of `sds.allow`, where operators say who may have which secret. For the form of messages see schema.ts. */
import * as z from 'zod';
import { described } from './described.ts';

const UID = 'a uid';
const GID = 'a gid';
/** The largest ID: the next value stands for none. */
const MAX_ID = 0xfffffffe;

const ids = (id: string) =>
  z.array(z.int(id).min(0, id).max(MAX_ID, id), `a list of ${id.slice(2)}s`).min(1, `a list of at least one ${id.slice(2)}`);
const PATTERN = 'a pattern like "spiffe://example.org*"';
const patterns = () => z.array(z.string().min(1, PATTERN), 'a list of patterns like "spiffe://example.org*"');
const NODE = 'An Envoy says that itself, nothing proves it: it only narrows a rule.';

/** One entry of `sds.allow`. */
export const allowRule = z
  .strictObject({
    uid: described(ids(UID).readonly().optional(), {
      description: 'The users that it is for, by number. A rule needs uid, gid or both; with both, a peer must fit both.',
      title: 'list of uids',
    }),
    gid: described(ids(GID).readonly().optional(), {
      description: 'The groups that it is for, by number: the primary group of the peer, or one of its supplementary groups.',
      title: 'list of gids',
    }),
    node_id: described(patterns().min(1, 'a list of at least one pattern').readonly().optional(), {
      description: `Only for an Envoy whose node.id fits one of these. ${NODE} Upper and lower case differ.`,
      title: 'list of patterns',
    }),
    node_cluster: described(patterns().min(1, 'a list of at least one pattern').readonly().optional(), {
      description: `Only for an Envoy whose node.cluster fits one of these. ${NODE} Upper and lower case differ.`,
      title: 'list of patterns',
    }),
    names: described(patterns().readonly().optional(), {
      description:
        'The names that it gives; any other does not exist for this peer. Upper and lower case differ. []: nothing, so that the peer is refused. Default: all.',
      title: 'list of patterns',
    }),
  })
  .check(({ value, issues }) => {
    if (value.uid !== undefined || value.gid !== undefined || issues.some(({ code }) => code === 'unrecognized_keys')) return;
    issues.push({ code: 'custom', input: value, message: 'uid, gid or both must be there: who it is for' });
  })
  .readonly();
