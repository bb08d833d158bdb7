/** How fast calls may begin and end, and the bytes of their headers. Of one connection, or of all that a user has: a new one costs nothing. */
import type { Clock } from '../../clock.ts';
import { initialRate, type Rate, type RateLimit, take } from '../../rate.ts';
import type { GrpcLimits } from './limits.ts';

/** Of headers, for each call that may begin at once. Those of an Envoy have some 500 bytes, more with `initial_metadata`. */
const HEADER_BYTES = 1024;
/** Seconds. As many calls may end at once as may in this time. */
const ENDED_BURST = 20;

type Kind = 'calls' | 'headers' | 'ended';

export class CallAllowance {
  readonly #clock: Clock;
  readonly #limits: Readonly<Record<Kind, RateLimit>>;
  readonly #rates: Record<Kind, Rate>;

  /** @param connections how many connections it is for */
  constructor({ callsPerSecond, maxStreamsPerConnection, endedPerSecond }: GrpcLimits, clock: Clock, connections = 1) {
    const perSecond = connections * callsPerSecond;
    const burst = connections * Math.max(callsPerSecond, maxStreamsPerConnection);
    const endedPerSecondOfAll = connections * endedPerSecond;
    this.#clock = clock;
    this.#limits = {
      calls: { burst, perSecond },
      headers: { burst: HEADER_BYTES * burst, perSecond: HEADER_BYTES * perSecond },
      ended: { burst: ENDED_BURST * endedPerSecondOfAll, perSecond: endedPerSecondOfAll },
    };
    const now = clock.monotonic();
    const { calls, headers, ended } = this.#limits;
    this.#rates = { calls: initialRate(calls, now), headers: initialRate(headers, now), ended: initialRate(ended, now) };
  }

  /** One more call begins. @returns what is too much, as the end of a sentence */
  begin(headerBytes: number): string | undefined {
    if (!this.#take('calls', 1)) return `begins more than ${this.#limits.calls.perSecond} calls a second`;
    if (!this.#take('headers', headerBytes)) return `sends more than ${this.#limits.headers.perSecond} bytes of headers a second`;
    return undefined;
  }

  /** We ended one more call. @returns as `begin` does */
  end(): string | undefined {
    return this.#take('ended', 1)
      ? undefined
      : `has more than ${this.#limits.ended.perSecond} calls a second that are answered or refused, and end`;
  }

  /** The share that is left of what may come at once, from 0 to 1. */
  get left(): number {
    const now = this.#clock.monotonic();
    const { calls, headers, ended } = this.#limits;
    const share = (limit: RateLimit, rate: Rate) => (take(limit, rate, now, 0)?.tokens ?? 0) / limit.burst;
    const rates = this.#rates;
    return Math.min(share(calls, rates.calls), share(headers, rates.headers), share(ended, rates.ended));
  }

  #take(kind: Kind, count: number): boolean {
    const rate = take(this.#limits[kind], this.#rates[kind], this.#clock.monotonic(), count);
    if (rate !== undefined) this.#rates[kind] = rate;
    return rate !== undefined;
  }
}

/** RFC 9113, section 10.5.1: names, values, and 32 bytes for each field. */
export function headerListBytes(rawHeaders: readonly string[]): number {
  const overhead = (32 * rawHeaders.length) / 2;
  return rawHeaders.reduce((sum, text) => sum + text.length, overhead);
}
