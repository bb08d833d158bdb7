/** Whose connection makes room for another when there are as many as there may be: each user's share counts, so that none starves another. */

interface Guest {
  /** Whether a stream of its peer is open. */
  readonly inUse: boolean;
  readonly peer: { readonly credentials?: { readonly uid: number } | undefined };
}

/**
 * A connection without a stream goes first, the oldest of the user who has most; one with a stream only for a user who would still have
 * fewer, and then the newest. Nobody makes room for a user who has more than he.
 * @param guests oldest first
 * @param uid of who comes; undefined: of a peer that is not known
 * @returns who goes; undefined: who comes
 */
export function whoMakesRoom<T extends Guest>(guests: Iterable<T>, uid: number | undefined): T | undefined {
  const byUser = new Map<number | undefined, T[]>();
  for (const guest of guests) {
    const user = guest.peer.credentials?.uid;
    const known = byUser.get(user);
    if (known === undefined) byUser.set(user, [guest]);
    else known.push(guest);
  }
  const mine = byUser.get(uid)?.length ?? 0;
  const greediest = [...byUser].sort(([, a], [, b]) => b.length - a.length);
  for (const [user, theirs] of greediest) {
    const idle = theirs.find(({ inUse }) => !inUse);
    if (idle !== undefined && (user === uid || theirs.length > mine)) return idle;
  }
  const [most] = greediest;
  return most !== undefined && most[1].length > mine + 1 ? most[1].at(-1) : undefined;
}
