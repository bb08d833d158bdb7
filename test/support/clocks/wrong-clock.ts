/** A clock that somebody sets wrong and puts right while it runs; its timers are in a hurry. */
import type { Clock } from '../../../src/clock.ts';
import { hastyClock } from './hasty-clock.ts';

const HASTE = 50;

export class WrongClock implements Clock {
  /** How far it is before the machine's. */
  offsetMs: number;
  readonly monotonic = hastyClock(HASTE).monotonic;
  readonly after = hastyClock(HASTE).after;

  constructor(offsetMs = 0) {
    this.offsetMs = offsetMs;
  }

  now(): number {
    return Date.now() + this.offsetMs;
  }
}
