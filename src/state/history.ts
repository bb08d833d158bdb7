/** What happened of late, for people who come when it is over: bounded, whatever peers and the Workload API do. */
import type { Event, RejectionKind } from '../events.ts';

const MINUTE_MS = 60_000;
/** One hour. */
export const MINUTES = 60;
const MAX_ENTRIES = 100;
const MAX_REJECTIONS = 20;
const MAX_NAMES = 10;
const MAX_TEXT = 512;

/** How much was sent in one minute, and how it was answered. */
export interface MinuteOfDelivery {
  /** When the minute began: milliseconds since the epoch, as all times here. */
  readonly at: number;
  readonly pushes: number;
  readonly acks: number;
  readonly nacks: number;
}

/** What the Workload API did. The same again is counted in the entry of the first time. */
export interface UpstreamEntry {
  readonly at: number;
  readonly what: 'connected' | 'lost' | 'denied' | 'received' | 'rotated' | 'withdrawn' | 'bundle' | 'discarded' | 'expired';
  /** What it concerns, or why. */
  readonly text: string;
  readonly times: number;
  /** The last time. */
  readonly until: number;
}

/** What an Envoy rejected. Its words are redacted already. */
export interface Rejection {
  readonly at: number;
  readonly node: string;
  readonly names: readonly string[];
  readonly kind: RejectionKind;
  readonly reason: string;
}

type Counted = 'pushes' | 'acks' | 'nacks';

export class History {
  /** The minute with the number n is at n % MINUTES, unless it is older than an hour. Undefined until something was sent. */
  #minutes: { minute: number; pushes: number; acks: number; nacks: number }[] | undefined;
  readonly #upstream: UpstreamEntry[] = [];
  readonly #rejections: Rejection[] = [];

  /** @param now milliseconds since the epoch */
  hear(event: Event, now: number): void {
    switch (event.type) {
      case 'secrets_pushed':
        this.#count('pushes', now);
        break;
      case 'secrets_accepted':
        this.#count('acks', now);
        break;
      case 'secrets_rejected': {
        this.#count('nacks', now);
        const names = event.secrets.slice(0, MAX_NAMES).map(({ name }) => short(name));
        const { node, kind, reason } = event;
        keep(this.#rejections, { at: now, node: short(node), names, kind, reason: short(reason) }, MAX_REJECTIONS);
        break;
      }
      case 'workload_api_connected':
        this.#note('connected', event.address, event, now);
        break;
      case 'workload_api_lost':
        this.#note(
          event.code === 'PERMISSION_DENIED' ? 'denied' : 'lost',
          `${event.source === undefined ? '' : `${event.source}: `}${event.meaning} (${event.code})`,
          event,
          now,
        );
        break;
      case 'context_discarded':
        this.#note('discarded', event.reason, event, now);
        break;
      case 'svid_received':
        this.#note('received', event.id, event, now);
        break;
      case 'svid_rotated':
        this.#note('rotated', event.id, event, now);
        break;
      case 'svid_expired':
        this.#note('expired', event.id, event, now);
        break;
      case 'svid_withdrawn':
        this.#note('withdrawn', event.id, event, now);
        break;
      case 'bundle_updated':
        this.#note('bundle', event.trustDomain, event, now);
        break;
      case 'bundle_withdrawn':
        this.#note('withdrawn', event.trustDomain, event, now);
        break;
    }
  }

  /** The newest first. */
  get upstream(): readonly UpstreamEntry[] {
    return this.#upstream.toReversed();
  }

  /** The newest first. */
  get rejections(): readonly Rejection[] {
    return this.#rejections.toReversed();
  }

  /** The minutes of the last hour in which something was sent or answered, the oldest first. */
  delivery(now: number): readonly MinuteOfDelivery[] {
    const oldest = Math.floor(now / MINUTE_MS) - MINUTES;
    return (this.#minutes ?? [])
      .filter(({ minute, pushes, acks, nacks }) => minute > oldest && pushes + acks + nacks > 0)
      .toSorted((a, b) => a.minute - b.minute)
      .map(({ minute, ...counts }) => ({ at: minute * MINUTE_MS, ...counts }));
  }

  #count(what: Counted, now: number): void {
    const minute = Math.floor(now / MINUTE_MS);
    this.#minutes ??= Array.from({ length: MINUTES }, () => ({ minute: 0, pushes: 0, acks: 0, nacks: 0 }));
    const slot = this.#minutes[minute % MINUTES];
    if (slot === undefined) return;
    if (slot.minute !== minute) Object.assign(slot, { minute, pushes: 0, acks: 0, nacks: 0 });
    slot[what] += 1;
  }

  #note(what: UpstreamEntry['what'], told: string, event: Event, now: number): void {
    const text = short(`${told}${whose(event)}`);
    const last = this.#upstream.at(-1);
    if (last?.what === what && last.text === text) {
      this.#upstream[this.#upstream.length - 1] = { ...last, times: last.times + 1, until: now };
    } else {
      keep(this.#upstream, { at: now, what, text, times: 1, until: now }, MAX_ENTRIES);
    }
  }
}

/** In node mode: which process it is about. */
function whose({ workload }: Event): string {
  return workload === undefined ? '' : ` (uid ${workload.uid}, pid ${workload.pid})`;
}

function keep<T>(list: T[], entry: T, most: number): void {
  list.push(entry);
  if (list.length > most) list.shift();
}

function short(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT).toWellFormed()}…`;
}
