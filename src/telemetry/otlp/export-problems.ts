/** Problems of the exporters, for the log: one line each, without secrets, and at most one line a minute for each collector. */
import type { Clock } from '../../clock.ts';

const QUIET_MS = 60_000;
const MAX_LENGTH = 500;
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\s]+/gu;
/** To redact a shorter secret would remove parts of ordinary words. */
const MIN_SECRET_LENGTH = 4;

/** Who is told. */
export interface ProblemListener {
  /** @param about what does not work; undefined: it happened once */
  readonly failed: (sentence: string, about?: string) => void;
  /** @param about what was told as failed before */
  readonly recovered: (about: string) => void;
}

interface Reported {
  at: number;
  /** How many came since then and were not reported. */
  more: number;
  /** What of it does not work. */
  readonly failing: Set<string>;
  /** Somebody believes that it does not work. */
  told: boolean;
}

/** Reports problems: cleans their text, counts repeats within a minute, and tells when they are over. */
export class ExportProblems {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #listener: ProblemListener;
  readonly #secrets: readonly string[];
  readonly #reported = new Map<string, Reported>();

  /** @param secrets texts that are replaced by `[redacted]` */
  constructor(clock: Pick<Clock, 'monotonic'>, secrets: readonly string[], listener: ProblemListener) {
    this.#clock = clock;
    this.#secrets = secrets.filter(({ length }) => length >= MIN_SECRET_LENGTH).sort((a, b) => b.length - a.length);
    this.#listener = listener;
  }

  /** Something happened once. @param kind use few of them, because each is kept */
  happened(kind: string, sentence: string): void {
    const text = this.#unlessQuiet(kind, sentence);
    if (text !== undefined) this.#listener.failed(text);
  }

  /**
   * Something does not work.
   * @param about what, such as an endpoint; use few of them, because each is kept
   * @param part what of it; it works when all its parts do
   */
  fails(about: string, part: string, sentence: string): void {
    const text = this.#unlessQuiet(about, sentence);
    const reported = this.#reported.get(about);
    reported?.failing.add(part);
    if (text === undefined) return;
    if (reported !== undefined) reported.told = true;
    this.#listener.failed(text, about);
  }

  /** These parts of it work. */
  works(about: string, parts: readonly string[]): void {
    const reported = this.#reported.get(about);
    if (reported === undefined) return;
    for (const part of parts) reported.failing.delete(part);
    if (reported.failing.size > 0 || !reported.told) return;
    reported.told = false;
    this.#listener.recovered(about);
  }

  /** Undefined: the same was reported less than a minute ago, and this is counted. */
  #unlessQuiet(about: string, sentence: string): string | undefined {
    const now = this.#clock.monotonic();
    const reported = this.#reported.get(about);
    if (reported !== undefined && now - reported.at < QUIET_MS) {
      reported.more += 1;
      return undefined;
    }
    const more =
      reported === undefined || reported.more === 0 ? '' : ` (and ${reported.more} more since the last time this was reported)`;
    this.#reported.set(about, { at: now, more: 0, failing: reported?.failing ?? new Set(), told: reported?.told ?? false });
    return `${this.#clean(sentence)}${more}`;
  }

  #clean(sentence: string): string {
    const open = this.#secrets.reduce((text, secret) => text.replaceAll(secret, '[redacted]'), sentence);
    return open.replace(CONTROL, ' ').slice(0, MAX_LENGTH);
  }
}
