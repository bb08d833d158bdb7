/** Limits how often a peer may do something: a token bucket. */

export interface RateLimit {
  /** How many at once. */
  readonly burst: number;
  /** How many a second after that. */
  readonly perSecond: number;
}

export interface Rate {
  readonly tokens: number;
  /** Milliseconds. */
  readonly at: number;
}

/** @param now milliseconds */
export function initialRate({ burst }: RateLimit, now: number): Rate {
  return { tokens: burst, at: now };
}

/** @returns the rate after one more, or undefined when that is one too many */
export function takeOne({ burst, perSecond }: RateLimit, { tokens, at }: Rate, now: number): Rate | undefined {
  const refilled = Math.min(burst, tokens + (Math.max(0, now - at) * perSecond) / 1_000);
  return refilled < 1 ? undefined : { tokens: refilled - 1, at: now };
}
