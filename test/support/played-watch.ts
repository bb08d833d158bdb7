/** A watch over a Workload API that the test plays: nothing happens by itself, not even time. */
import type { Event } from '../../src/events.ts';
import type { CertificateReader } from '../../src/spiffe/certificate.ts';
import type { X509Context } from '../../src/spiffe/x509-context.ts';
import type { FetchListener } from '../../src/workload-api/client.ts';
import { X509Watch } from '../../src/workload-api/watch.ts';
import { NOW } from './certificates.ts';
import { ManualClock } from './manual-clock.ts';

export interface PlayedCall extends FetchListener {
  cancelled: boolean;
}

export class PlayedWatch {
  readonly clock = new ManualClock(NOW);
  readonly calls: PlayedCall[] = [];
  readonly events: Event[] = [];
  readonly contexts: X509Context[] = [];
  readonly watch: X509Watch;

  /** @param random what the dice say each time */
  constructor(reader: CertificateReader, random = 0) {
    this.watch = new X509Watch({
      fetch: (listener) => {
        const call: PlayedCall = {
          cancelled: false,
          message: (response) => listener.message(response),
          // As the client does: who cancels hears no end.
          end: (code, details) => call.cancelled || listener.end(code, details),
        };
        this.calls.push(call);
        return () => {
          call.cancelled = true;
        };
      },
      address: 'unix:///agent.sock',
      reader,
      clock: this.clock,
      random: () => random,
      events: (event) => this.events.push(event),
      onContext: (context) => this.contexts.push(context),
    });
  }

  /** The newest call. */
  get call(): PlayedCall {
    const call = this.calls.at(-1);
    if (call === undefined) throw new Error('the watch has not called yet');
    return call;
  }

  /** The SPIFFE IDs of the newest context. */
  get ids(): readonly string[] | undefined {
    return this.contexts.at(-1)?.svids.map(({ id }) => id);
  }

  /** What the watch said of the ends of its calls. */
  get lost(): readonly (Event & { readonly type: 'workload_api_lost' })[] {
    return this.events.filter((event) => event.type === 'workload_api_lost');
  }

  eventTypes(): readonly string[] {
    return this.events.map(({ type }) => type);
  }
}
