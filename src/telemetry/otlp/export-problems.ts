/**
 * What exporting runs into, for the log: one line each, without what is secret, and for each collector at most one a minute, however
 * long it is gone.
 */
import type { Clock } from '../../clock.ts';

const QUIET_MS = 60_000;
const MAX_LENGTH = 500;
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\s]+/gu;
/** Shorter ones would take away parts of ordinary words. */
const MIN_SECRET_LENGTH = 4;

interface Told {
  at: number;
  /** Since then, and not told. */
  more: number;
}

export class ExportProblems {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #tell: (sentence: string) => void;
  readonly #secrets: readonly string[];
  readonly #told = new Map<string, Told>();

  /** @param secrets must not be told */
  constructor(clock: Pick<Clock, 'monotonic'>, secrets: readonly string[], tell: (sentence: string) => void) {
    this.#clock = clock;
    this.#secrets = secrets.filter(({ length }) => length >= MIN_SECRET_LENGTH).sort((a, b) => b.length - a.length);
    this.#tell = tell;
  }

  /** @param about what problems of one kind have in common; there are few of them */
  hear(about: string, sentence: string): void {
    const now = this.#clock.monotonic();
    const told = this.#told.get(about);
    if (told !== undefined && now - told.at < QUIET_MS) {
      told.more += 1;
      return;
    }
    const more = told === undefined || told.more === 0 ? '' : ` (and ${told.more} more since the last time this was told)`;
    this.#told.set(about, { at: now, more: 0 });
    this.#tell(`${this.#clean(sentence)}${more}`);
  }

  #clean(sentence: string): string {
    const open = this.#secrets.reduce((text, secret) => text.replaceAll(secret, '[redacted]'), sentence);
    return open.replace(CONTROL, ' ').slice(0, MAX_LENGTH);
  }
}
