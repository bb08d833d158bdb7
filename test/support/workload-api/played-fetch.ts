/** A stream whose server the test plays. */
import type { Fetch, FetchListener } from '../../../src/workload-api/stream-call.ts';

export interface PlayedCall<Message> extends FetchListener<Message> {
  cancelled: boolean;
}

export class PlayedFetch<Message> {
  readonly calls: PlayedCall<Message>[] = [];

  readonly fetch: Fetch<Message> = (listener) => {
    const call: PlayedCall<Message> = {
      cancelled: false,
      message: (message) => void (call.cancelled || listener.message(message)),
      end: (code, details) => void (call.cancelled || listener.end(code, details)),
    };
    this.calls.push(call);
    return () => {
      call.cancelled = true;
    };
  };

  /** The newest. */
  get call(): PlayedCall<Message> {
    const call = this.calls.at(-1);
    if (call === undefined) throw new Error('nothing was fetched yet');
    return call;
  }
}
