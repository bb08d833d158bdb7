/** Time, from outside: so that backoff, rotation and expiry can be tested without waiting. */
export interface Clock {
  /** Wall-clock time in milliseconds since the epoch. */
  now(): number;
  /** Milliseconds from some moment on, fractions included: for durations, which a change of the wall clock must not touch. */
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
