/**
 * Bounds what a peer can make the audit write. An Envoy that starts asks for all its secrets at once, and gets a line for each and for
 * each ACK; one that goes on asking, or connecting, in a loop would fill the disk. Lines that the Workload API causes are never left out.
 *
 * Peers are distinguished by uid, because a new connection, pid or node id costs nothing.
 */
import type { Clock } from '../../clock.ts';
import type { Event, Peer } from '../../events.ts';

export interface PeerFloodOptions {
  readonly clock: Clock;
  /** So many lines were left out since the last time; at most every ten seconds for a peer and kind. */
  readonly onOmitted: (peer: Peer, lines: number) => void;
}

/** Lines: so many at once, and as many a second after that. Refusals have a bound of their own, so that deliveries do not hide them. */
const BOUNDS = {
  /** All streams of some Envoys that start together: two lines each. */
  delivery: { burst: 50_000, perSecond: 50 },
  /** FetchSecrets, which no Envoy calls. */
  fetch: { burst: 50, perSecond: 5 },
  /** An Envoy that rejects what its first requests brought. */
  rejection: { burst: 1_000, perSecond: 10 },
  refusal: { burst: 50, perSecond: 0.5 },
} as const;
const TELL_EVERY_MS = 10_000;

type Kind = keyof typeof BOUNDS;

interface Bucket {
  tokens: number;
  at: number;
  omitted: number;
  newest: Peer;
}

export class PeerFlood {
  readonly #options: PeerFloodOptions;
  readonly #buckets = new Map<string, Bucket>();
  #forgetTelling: (() => void) | undefined;

  constructor(options: PeerFloodOptions) {
    this.#options = options;
  }

  /** Whether the lines of this event are to be written; those that are not are counted. */
  admits(event: Event): boolean {
    switch (event.type) {
      case 'secrets_pushed':
      case 'secrets_accepted':
        // The peer did not cause an update.
        return event.because === 'update' || this.#take('delivery', event.peer, event.secrets.length + event.removed.length);
      case 'secrets_fetched':
        return this.#take('fetch', event.peer, event.secrets.length);
      case 'secrets_rejected':
        return event.because === 'update' || this.#take('rejection', event.peer, event.secrets.length + event.removed.length);
      case 'connection_refused':
      case 'connection_broken':
      case 'request_malformed':
      case 'stream_denied':
      case 'access_denied':
        return this.#take('refusal', event.peer, 1);
      default:
        return true;
    }
  }

  /** Reports the lines that were left out and not reported yet. */
  flush(): void {
    this.#forgetTelling?.();
    this.#forgetTelling = undefined;
    const { clock, onOmitted } = this.#options;
    for (const [key, bucket] of [...this.#buckets]) {
      const { omitted, newest, at } = bucket;
      bucket.omitted = 0;
      if (omitted > 0) onOmitted(newest, omitted);
      // By then its allowance is full again.
      else if (clock.monotonic() - at > FORGOTTEN_MS) this.#buckets.delete(key);
    }
  }

  /** The lines of one event are written together, and the next events have fewer. */
  #take(kind: Kind, peer: Peer, lines: number): boolean {
    const { burst, perSecond } = BOUNDS[kind];
    const now = this.#options.clock.monotonic();
    const key = `${kind} ${peer.credentials?.uid ?? ''}`;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, at: now, omitted: 0, newest: peer };
    this.#buckets.set(key, bucket);
    bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) * perSecond) / 1_000);
    bucket.at = now;
    if (bucket.tokens >= 1) {
      bucket.tokens -= lines;
      return true;
    }
    bucket.omitted += lines;
    bucket.newest = peer;
    this.#forgetTelling ??= this.#options.clock.after(TELL_EVERY_MS, () => this.flush());
    return false;
  }
}

const FORGOTTEN_MS = Math.max(...Object.values(BOUNDS).map(({ burst, perSecond }) => (burst / perSecond) * 1_000));
