/** How the Workload APIs are, as the events tell: one as a rule, which is known by no name until it has answered or failed. */
import type { Conflict, Event } from '../events.ts';

/** Times are milliseconds since the epoch. */
export type Upstream =
  | { readonly state: 'connecting'; readonly since: number }
  | { readonly state: 'connected'; readonly since: number }
  /** It is tried again; or not, when `final`. */
  | {
      readonly state: 'lost' | 'denied';
      readonly since: number;
      readonly code: string;
      readonly details: string;
      readonly meaning: string;
      readonly failures: number;
      readonly final: boolean;
    };

export interface Discarded {
  readonly at: number;
  readonly code: string;
  readonly reason: string;
}

/** One Workload API. */
export interface ObservedUpstream {
  /** Undefined: not known yet. */
  readonly address: string | undefined;
  readonly upstream: Upstream;
  /** When its last message came. */
  readonly lastMessage?: number | undefined;
  /** Its last message, if that was discarded; undefined after one that was used. */
  readonly discarded?: Discarded | undefined;
  /** It is not configured any more, and asked until the new ones have answered. */
  readonly leaving: boolean;
}

/** The worst first. */
const SEVERITY: readonly Upstream['state'][] = ['denied', 'lost', 'connecting', 'connected'];

export class Upstreams {
  #all: readonly [ObservedUpstream, ...ObservedUpstream[]];
  #conflicts: readonly Conflict[] = [];

  /** @param now milliseconds since the epoch */
  constructor(now: number) {
    this.#all = [asked(undefined, now)];
  }

  /** In the order of the configuration. */
  get all(): readonly [ObservedUpstream, ...ObservedUpstream[]] {
    return this.#all;
  }

  /** The one alone; of several the one that is worst. */
  get worst(): ObservedUpstream {
    const rank = ({ upstream }: ObservedUpstream) => SEVERITY.indexOf(upstream.state);
    return this.#all.reduce((worst, other) => (rank(other) < rank(worst) ? other : worst));
  }

  /** What two of them give, and give differently. */
  get conflicts(): readonly Conflict[] {
    return this.#conflicts;
  }

  /** @param now milliseconds since the epoch */
  hear(event: Event, now: number): void {
    switch (event.type) {
      case 'workload_apis':
        this.#become([...event.addresses, ...event.leaving], event.leaving, now);
        break;
      case 'workload_api_connected':
        this.#change(event, () => ({ address: event.address, upstream: { state: 'connected', since: now } }));
        break;
      case 'workload_api_lost':
        this.#change(event, ({ upstream }) => ({ address: event.address, upstream: lost(event, upstream, now) }));
        break;
      case 'message_received':
        this.#change(event, () => ({ lastMessage: now }));
        break;
      case 'context_received':
        this.#change(event, () => ({ discarded: undefined }));
        break;
      case 'context_discarded':
        this.#change(event, () => ({ discarded: { at: now, code: event.code, reason: event.reason } }));
        break;
      case 'workload_api_conflict':
        this.#conflicts = [...this.#conflicts.filter((known) => !isOf(known, event)), conflictOf(event)];
        break;
      case 'workload_api_conflict_over':
        this.#conflicts = this.#conflicts.filter((known) => !isOf(known, event));
        break;
    }
  }

  /** The first that is listed here may have been the only one before. */
  #become(addresses: readonly string[], leaving: readonly string[], now: number): void {
    const known = new Map(this.#all.map((upstream) => [upstream.address, upstream]));
    const [first, ...rest] = addresses.map((address) => ({
      ...(known.get(address) ?? asked(address, now)),
      leaving: leaving.includes(address),
    }));
    if (first !== undefined) this.#all = [first, ...rest];
  }

  /** What names none of several is about none of them: a message with a token. */
  #change({ source }: Event, changes: (before: ObservedUpstream) => Partial<ObservedUpstream>): void {
    const place = this.#all.findIndex(({ address }) => (source === undefined ? this.#all.length === 1 : address === source));
    const [first, ...rest] = this.#all.map((one, at) => (at === place ? { ...one, ...changes(one) } : one));
    if (first !== undefined) this.#all = [first, ...rest];
  }
}

function asked(address: string | undefined, now: number): ObservedUpstream {
  return { address, upstream: { state: 'connecting', since: now }, leaving: false };
}

function lost(
  { code, details, meaning, failures, retryInMs }: Event & { readonly type: 'workload_api_lost' },
  before: Upstream,
  now: number,
): Upstream {
  const state = code === 'PERMISSION_DENIED' ? 'denied' : 'lost';
  const since = before.state === state ? before.since : now;
  return { state, since, code, details, meaning, failures, final: retryInMs === undefined };
}

function isOf(a: Conflict, b: Conflict): boolean {
  return a.of === b.of && a.name === b.name && a.left === b.left;
}

function conflictOf({ of, name, used, left }: Conflict): Conflict {
  return { of, name, used, left };
}
