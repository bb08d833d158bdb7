/** The secrets as one rule gives them: whatever else there is does not exist. Made once for each rule and set, for all streams. */
import type { SecretSet } from '../secrets/secret-set.ts';
import type { Grant } from './access-rules.ts';

const made = new WeakMap<SecretSet, WeakMap<Pick<Grant, 'gives'>, SecretSet>>();

/** @returns the set itself for who may have everything */
export function grantedSet(set: SecretSet, grant: Pick<Grant, 'gives' | 'all'>): SecretSet {
  if (grant.all) return set;
  const byGrant = made.get(set) ?? new WeakMap<Pick<Grant, 'gives'>, SecretSet>();
  made.set(set, byGrant);
  const known = byGrant.get(grant);
  if (known !== undefined) return known;
  const granted = restricted(set, grant.gives);
  byGrant.set(grant, granted);
  return granted;
}

function restricted(set: SecretSet, gives: Grant['gives']): SecretSet {
  return {
    ...set,
    ids: set.ids.filter(gives),
    names: set.names.filter(gives),
    // Only what is asked of the whole set makes a token be fetched.
    get: (name, form, without) => (gives(name) ? set.get(name, form, without) : undefined),
    describe: (name) => (gives(name) ? set.describe(name) : undefined),
    pending: (name) => gives(name) && set.pending(name),
  };
}
