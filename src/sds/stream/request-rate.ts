/** How many requests that answer nothing one stream may send. */
import type { RateLimit } from '../../rate.ts';

/** An Envoy that adds a thousand listeners at once must pass. */
export const REQUEST_RATE: RateLimit = { burst: 2_000, perSecond: 100 };
