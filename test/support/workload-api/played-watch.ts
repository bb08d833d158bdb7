/** A watch over a Workload API that the test plays: nothing happens by itself, not even time. */
import type { Event } from '../../../src/events.ts';
import type { X509BundlesResponse, X509SVIDResponse } from '../../../src/gen/messages.ts';
import type { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import type { X509Context } from '../../../src/spiffe/x509-context.ts';
import { JoinedWatch } from '../../../src/workload-api/joined-watch.ts';
import type { Fetch, FetchListener } from '../../../src/workload-api/stream-call.ts';
import { verdictOf } from '../../../src/workload-api/verdict.ts';
import { ManualClock } from '../clocks/manual-clock.ts';
import { NOW } from '../x509/certificates.ts';

export interface PlayedCall<Message> extends FetchListener<Message> {
  cancelled: boolean;
  /** Cancelled, or ended by the Workload API. */
  over: boolean;
}

const FRAMES: ReadonlySet<Event['type']> = new Set(['message_received', 'bundles_received', 'message_handled']);

export class PlayedWatch<C extends ManualClock = ManualClock> {
  readonly clock: C;
  /** Of FetchX509SVID. */
  readonly calls: PlayedCall<X509SVIDResponse>[] = [];
  /** Of FetchX509Bundles. */
  readonly bundleCalls: PlayedCall<X509BundlesResponse>[] = [];
  /** What messages came to; where each begins and ends is told by `messages`. */
  readonly events: Event[] = [];
  readonly messages: Event[] = [];
  readonly contexts: X509Context[] = [];
  /** Why what each context lacks is gone. */
  readonly reasons: string[] = [];
  readonly watch: JoinedWatch;
  onPermissionDenied: 'withdraw' | 'keep' = 'withdraw';

  /** @param random what the dice say each time */
  constructor(reader: CertificateReader, random = 0, clock: C = new ManualClock(NOW) as C) {
    this.clock = clock;
    const never = () => () => undefined;
    this.watch = new JoinedWatch({
      apis: [
        {
          address: 'unix:///agent.sock',
          fetchX509Svid: played(this.calls),
          fetchX509Bundles: played(this.bundleCalls),
          fetchJwtSvid: () => never,
          fetchJwtBundles: never,
          verdictOf,
        },
      ],
      reader: () => reader,
      clock,
      random: () => random,
      onPermissionDenied: () => this.onPermissionDenied,
      events: (event) => void (FRAMES.has(event.type) ? this.messages : this.events).push(event),
      onContext: (context, reason) => {
        this.contexts.push(context);
        this.reasons.push(reason);
      },
    });
  }

  /** The newest of FetchX509SVID. */
  get call(): PlayedCall<X509SVIDResponse> {
    return newest(this.calls);
  }

  /** The newest of FetchX509Bundles. */
  get bundleCall(): PlayedCall<X509BundlesResponse> {
    return newest(this.bundleCalls);
  }

  /** The SPIFFE IDs of the newest context. */
  get ids(): readonly string[] | undefined {
    return this.contexts.at(-1)?.svids.map(({ id }) => id);
  }

  /** The trust domains of the newest context. */
  get trustDomains(): readonly string[] | undefined {
    const bundles = this.contexts.at(-1)?.bundles;
    return bundles && [...bundles.keys()];
  }

  /** What the watch said of the ends of its calls. */
  get lost(): readonly (Event & { readonly type: 'workload_api_lost' })[] {
    return this.events.filter((event) => event.type === 'workload_api_lost');
  }

  eventTypes(): readonly string[] {
    return this.events.map(({ type }) => type);
  }
}

function played<Message>(calls: PlayedCall<Message>[]): Fetch<Message> {
  return (listener) => {
    const call: PlayedCall<Message> = {
      cancelled: false,
      over: false,
      message: (response) => listener.message(response),
      // As the client does: who cancels hears no end.
      end(code, details) {
        call.over = true;
        if (!call.cancelled) listener.end(code, details);
      },
    };
    calls.push(call);
    return () => {
      call.cancelled = true;
      call.over = true;
    };
  };
}

function newest<Message>(calls: readonly PlayedCall<Message>[]): PlayedCall<Message> {
  const call = calls.at(-1);
  if (call === undefined) throw new Error('the watch has not called yet');
  return call;
}
