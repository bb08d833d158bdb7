/**
 * How far a client may fall behind. A stream with too many unanswered responses, or too many bytes in them, gets nothing new until it
 * answers; then it gets the newest. A stream without unanswered responses always gets what is due, so that no stream waits for another.
 */
import type { SecretVersion } from '../../events.ts';
import type { Secret } from '../../secrets/secret.ts';

/** Unanswered responses of one stream, besides one for each of its names: in delta each name is a response of its own. */
const MORE_THAN_NAMES = 64;

/**
 * Responses without an answer that one stream may have. Envoy answers each at once; tools that only listen do not.
 * @param names how many names the stream has
 */
export function maxUnanswered(names: number): number {
  return names + MORE_THAN_NAMES;
}

/** Bytes that are kept for responses without an answer. A secret counts for each stream although they share it. */
export interface BacklogLimits {
  /** A stream may always have this many, whatever the others have: many streams that are a little behind are no danger. */
  readonly free: number;
  readonly stream: number;
  readonly connection: number;
  readonly all: number;
}

const MIB = 1024 ** 2;
const LIMITS: BacklogLimits = { free: 16 * 1024, stream: 4 * MIB, connection: 16 * MIB, all: 64 * MIB };
/** Of a response without the content of its secrets. */
const OVERHEAD = 256;

/** A secret in an unanswered response. Only its version is kept when a newer one was sent. */
export type Carried = Secret | SecretVersion;

/** Bytes, about. */
export function weightOf(responses: Iterable<{ readonly secrets: readonly Carried[] }>): number {
  let weight = 0;
  for (const { secrets } of responses) {
    weight += OVERHEAD;
    for (const secret of secrets) if ('any' in secret) weight += secret.any.length;
  }
  return weight;
}

export class Backlog {
  readonly #limits: BacklogLimits;
  readonly #byConnection = new Map<number, number>();
  #all = 0;

  constructor(limits: BacklogLimits = LIMITS) {
    this.#limits = limits;
  }

  /** Bytes of all streams. */
  get all(): number {
    return this.#all;
  }

  /** Adds to the bytes that streams of this connection keep; a negative number when they keep fewer. */
  change(connection: number, by: number): void {
    const bytes = (this.#byConnection.get(connection) ?? 0) + by;
    if (bytes === 0) this.#byConnection.delete(connection);
    else this.#byConnection.set(connection, bytes);
    this.#all += by;
  }

  /** @param stream the bytes of that stream */
  isFull(connection: number, stream: number): boolean {
    const limits = this.#limits;
    const ofConnection = this.#byConnection.get(connection) ?? 0;
    return stream > limits.free && (stream >= limits.stream || ofConnection >= limits.connection || this.#all >= limits.all);
  }
}
