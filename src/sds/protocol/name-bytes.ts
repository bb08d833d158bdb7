/** What the names of streams take: they are their peer's words, and stay as long as the stream. */
import { Backlog } from './backlog.ts';
import type { NameStates } from './name-state.ts';

/** Of the state of a name, about. */
const OVERHEAD = 100;

const MIB = 1024 ** 2;
/** The 16 384 streams of an Envoy with two names each have 5 MB. */
const PER_CONNECTION = 32 * MIB;
const ALL = 64 * MIB;

/** Bytes, about. */
export function nameBytes(states: NameStates): number {
  let bytes = 0;
  for (const [name, { holds = '' }] of states) bytes += OVERHEAD + name.length + holds.length;
  return bytes;
}

/** Of all streams. */
export function nameBudget(): Backlog {
  return new Backlog({ free: 0, stream: PER_CONNECTION, connection: PER_CONNECTION, all: ALL });
}

/** What one stream has of it. */
export class NameShare {
  readonly #budget: Backlog;
  readonly #connection: number;
  #bytes = 0;

  constructor(budget: Backlog, connection: number) {
    this.#budget = budget;
    this.#connection = connection;
  }

  /** @returns whether it may have so many; one that had more may always */
  become(bytes: number): boolean {
    const more = bytes - this.#bytes;
    if (more > 0 && this.#budget.isFull(this.#connection, bytes)) return false;
    if (more !== 0) this.#budget.change(this.#connection, more);
    this.#bytes = bytes;
    return true;
  }
}
