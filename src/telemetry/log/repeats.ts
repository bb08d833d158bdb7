/**
 * A line that repeats is written once, and then once a minute with a count, so that neither a peer nor a broken Workload API can flood the
 * log. No count is lost.
 */
import type { Clock } from '../../clock.ts';

export interface RepeatsOptions<Line> {
  readonly clock: Clock;
  /** A line that is new. */
  readonly write: (line: Line) => void;
  /** The newest of so many that were not written in the last minute; `alike`: they are all about the same. */
  readonly writeRepeated: (line: Line, repeated: number, alike: boolean) => void;
  /** How many lines of one kind are written in a minute, and how many subjects are remembered; default 100. */
  readonly linesPerMinute?: number;
}

const MINUTE_MS = 60_000;
const LINES_PER_MINUTE = 100;

interface Unwritten<Line> {
  count: number;
  newest: Line;
}

/** A minute of one kind, from its first line on. */
interface Minute<Line> {
  lines: number;
  /** Those that were written, by what they are about; the one that was heard of last is the last. */
  readonly subjects: Map<string, Unwritten<Line>>;
  /** All others, when there were too many. */
  others: Unwritten<Line> | undefined;
  readonly forget: () => void;
}

export class Repeats<Line> {
  readonly #options: RepeatsOptions<Line>;
  readonly #bound: number;
  readonly #minutes = new Map<string, Minute<Line>>();

  constructor(options: RepeatsOptions<Line>) {
    this.#options = options;
    // The last line is for what was too much.
    this.#bound = (options.linesPerMinute ?? LINES_PER_MINUTE) - 1;
  }

  /** @param kind one of a few; @param subject lines of a kind with the same are alike */
  hear(kind: string, subject: string, line: Line): void {
    const minute = this.#minutes.get(kind) ?? this.#begin(kind);
    const known = minute.subjects.get(subject);
    if (known !== undefined) {
      minute.subjects.delete(subject);
      minute.subjects.set(subject, { count: known.count + 1, newest: line });
    } else if (minute.lines < this.#bound) {
      minute.lines += 1;
      minute.subjects.set(subject, { count: 0, newest: line });
      this.#options.write(line);
    } else {
      minute.others = { count: (minute.others?.count ?? 0) + 1, newest: line };
    }
  }

  /** Writes all that was not written, and forgets it. */
  flush(): void {
    for (const [kind, minute] of [...this.#minutes]) {
      minute.forget();
      this.#minutes.delete(kind);
      this.#tell(minute);
    }
  }

  #begin(kind: string): Minute<Line> {
    const forget = this.#options.clock.after(MINUTE_MS, () => this.#turn(kind));
    const minute: Minute<Line> = { lines: 0, subjects: new Map(), others: undefined, forget };
    this.#minutes.set(kind, minute);
    return minute;
  }

  /** Remembers subjects that continue for the next minute. */
  #turn(kind: string): void {
    const minute = this.#minutes.get(kind);
    this.#minutes.delete(kind);
    if (minute === undefined) return;
    const ongoing = [...minute.subjects].filter(([, { count }]) => count > 0);
    if (ongoing.length === 0 && minute.others === undefined) return;
    const next = this.#begin(kind);
    for (const [subject, { newest }] of ongoing) next.subjects.set(subject, { count: 0, newest });
    next.lines = this.#tell(minute);
  }

  /** @returns how many lines that were */
  #tell({ subjects, others }: Minute<Line>): number {
    const { writeRepeated } = this.#options;
    const repeated = [...subjects.values()].filter(({ count }) => count > 0);
    for (const { newest, count } of repeated) writeRepeated(newest, count, true);
    if (others !== undefined) writeRepeated(others.newest, others.count, false);
    return repeated.length;
  }
}
