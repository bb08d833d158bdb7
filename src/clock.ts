/** Time is injected, so that backoff, rotation and expiry can be tested without waiting. */
export interface Clock {
  /** Wall-clock time in milliseconds since the epoch. */
  now(): number;
  /** Milliseconds since an arbitrary moment, with fractions: for durations, which a change of the wall clock must not change. */
  monotonic(): number;
  /** Calls back once after `ms` milliseconds (at most 2^31 - 1) unless the returned function is called before. */
  after(ms: number, callback: () => void): () => void;
}

/** The machine's clock. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms).unref();
    return () => clearTimeout(timer);
  },
};

/** RFC 3339 in UTC, with milliseconds. @param ms since the epoch */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
