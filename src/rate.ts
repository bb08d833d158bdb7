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

/**
 * @param count of what it limits; more than the burst never passes
 * @returns the rate after that many more, or undefined when they are too many
 */
export function take({ burst, perSecond }: RateLimit, { tokens, at }: Rate, now: number, count = 1): Rate | undefined {
  const refilled = Math.min(burst, tokens + (Math.max(0, now - at) * perSecond) / 1_000);
  return refilled < count ? undefined : { tokens: refilled - count, at: now };
}
