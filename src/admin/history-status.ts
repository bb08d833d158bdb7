/** The history of a sidecar as /v1/status shows it. Times are RFC 3339 in UTC. */

import { isoTime } from '../clock.ts';
import type { History, UpstreamEntry } from '../state/history.ts';

export interface HistoryStatus {
  /** What the Workload API did, the newest first; at most 100. */
  readonly upstream: readonly {
    readonly at: string;
    readonly what: UpstreamEntry['what'];
    readonly text: string;
    /** How often in a row, if more than once; and when last. */
    readonly times?: number;
    readonly until?: string;
  }[];
  /** Responses of the last hour, by the minute in which they were sent or answered. Minutes in which nothing happened are left out. */
  readonly delivery: readonly { readonly at: string; readonly pushes: number; readonly acks: number; readonly nacks: number }[];
  /** What Envoys rejected, the newest first; at most 20. */
  readonly nacks: readonly {
    readonly at: string;
    readonly node: string;
    readonly names: readonly string[];
    readonly kind: string;
    readonly reason: string;
  }[];
}

/** @param now milliseconds since the epoch */
export function historyStatus(history: History, now: number): HistoryStatus {
  return {
    upstream: history.upstream.map(({ at, what, text, times, until }) => ({
      at: isoTime(at),
      what,
      text,
      ...(times > 1 && { times, until: isoTime(until) }),
    })),
    delivery: history.delivery(now).map((minute) => ({ ...minute, at: isoTime(minute.at) })),
    nacks: history.rejections.map((rejection) => ({ ...rejection, at: isoTime(rejection.at) })),
  };
}
