/**
 * What a process may have, for as long as that process lives. The broker knows a pid; we hold a pidfd. A message that comes while the process
 * lives is about it and no other: the pid was its own ever since it connected, so also when the broker looked. Once it has ended nothing is
 * taken any more, whatever has its pid by then.
 */
import type { Fetch } from '../workload-api/stream-call.ts';
import type { WorkloadApi } from '../workload-api/workload-api.ts';
import type { Attestations } from './attestations.ts';

export interface Holder {
  /** Asked before each message is taken. */
  readonly lives: () => boolean;
  readonly uid: number;
  readonly attestations: Attestations;
}

export function heldApi(api: WorkloadApi, holder: Holder): WorkloadApi {
  return {
    ...api,
    fetchX509Svid: held(api.fetchX509Svid, holder),
    fetchX509Bundles: held(api.fetchX509Bundles, holder),
    fetchJwtSvid: (request) => held(api.fetchJwtSvid(request), holder),
    fetchJwtBundles: held(api.fetchJwtBundles, holder),
  };
}

function held<Message>(fetch: Fetch<Message>, { lives, uid, attestations }: Holder): Fetch<Message> {
  return (listener) => {
    let cancelled = false;
    let cancelCall: (() => void) | undefined;
    const cancel = () => {
      cancelled = true;
      forget();
      cancelCall?.();
    };
    const forget = attestations.ask(uid, () => {
      // What is there at once may be asked for before the caller has the means to cancel.
      queueMicrotask(() => {
        if (cancelled || !lives()) return;
        cancelCall = fetch({
          message: (message) => {
            if (!cancelled && lives()) listener.message(message);
          },
          end: (code, details) => listener.end(code, details),
        });
      });
    });
    return cancel;
  };
}
