/** Problems of the exporters, for the log: one line each, without secrets, and at most one line a minute for each collector. */
import type { Clock } from '../../clock.ts';

const QUIET_MS = 60_000;
const MAX_LENGTH = 500;
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\s]+/gu;
/** To redact a shorter secret would remove parts of ordinary words. */
const MIN_SECRET_LENGTH = 4;

interface Reported {
  at: number;
  /** How many came since then and were not reported. */
  more: number;
}

/** Reports problems: cleans their text, and counts repeats within a minute. */
export class ExportProblems {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #tell: (sentence: string) => void;
  readonly #secrets: readonly string[];
  readonly #reported = new Map<string, Reported>();

  /** @param secrets texts that are replaced by `[redacted]` */
  constructor(clock: Pick<Clock, 'monotonic'>, secrets: readonly string[], tell: (sentence: string) => void) {
    this.#clock = clock;
    this.#secrets = secrets.filter(({ length }) => length >= MIN_SECRET_LENGTH).sort((a, b) => b.length - a.length);
    this.#tell = tell;
  }

  /** @param about the kind of the problem, such as an endpoint; use few of them, because each is kept */
  hear(about: string, sentence: string): void {
    const now = this.#clock.monotonic();
    const reported = this.#reported.get(about);
    if (reported !== undefined && now - reported.at < QUIET_MS) {
      reported.more += 1;
      return;
    }
    const more =
      reported === undefined || reported.more === 0 ? '' : ` (and ${reported.more} more since the last time this was reported)`;
    this.#reported.set(about, { at: now, more: 0 });
    this.#tell(`${this.#clean(sentence)}${more}`);
  }

  #clean(sentence: string): string {
    const open = this.#secrets.reduce((text, secret) => text.replaceAll(secret, '[redacted]'), sentence);
    return open.replace(CONTROL, ' ').slice(0, MAX_LENGTH);
  }
}
