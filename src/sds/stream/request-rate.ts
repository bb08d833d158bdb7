/** How many requests that answer nothing one stream may send: a token bucket. */

/** An Envoy that adds a thousand listeners at once must pass. */
const BURST = 2_000;
const PER_SECOND = 100;

export interface RequestRate {
  readonly tokens: number;
  /** Milliseconds. */
  readonly at: number;
}

/** @param now milliseconds */
export function initialRate(now: number): RequestRate {
  return { tokens: BURST, at: now };
}

/** @returns the rate after one more request, or undefined when it is one too many */
export function takeRequest({ tokens, at }: RequestRate, now: number): RequestRate | undefined {
  const refilled = Math.min(BURST, tokens + (Math.max(0, now - at) * PER_SECOND) / 1_000);
  return refilled < 1 ? undefined : { tokens: refilled - 1, at: now };
}
