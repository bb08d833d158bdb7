/** What does not work beside the way of the secrets, which goes on all the same. */
import type { Event } from '../events.ts';

/** What happened once is told for so long: nothing says when it is over. */
export const TOLD_MS = 3_600_000;
/** Collectors are few. What is more is left out. */
const MAX_PROBLEMS = 20;

/** Times are milliseconds since the epoch. */
export interface SideProblem {
  readonly of: 'telemetry' | 'audit';
  readonly reason: string;
  /** The first time since it last worked. */
  readonly since: number;
  /** The last time. */
  readonly at: number;
  readonly until: 'it works' | 'told';
}

const TOO_SLOW = 'audit lines are lost: the target of log.audit does not take them fast enough';

export class SideProblems {
  readonly #problems = new Map<string, SideProblem>();

  hear(event: Event, now: number): void {
    switch (event.type) {
      case 'telemetry_failed': {
        const { reason, about } = event;
        const until = about === undefined ? 'told' : 'it works';
        this.#add(`telemetry ${about ?? reason}`, { of: 'telemetry', reason, since: now, at: now, until });
        break;
      }
      case 'telemetry_recovered':
        this.#problems.delete(`telemetry ${event.about}`);
        break;
      case 'audit_failed':
        this.#add('audit', { of: 'audit', reason: event.reason, since: now, at: now, until: 'it works' });
        break;
      case 'audit_dropped':
        // Why they are lost was said before, as a rule.
        if (!this.#problems.has('audit'))
          this.#add('audit', { of: 'audit', reason: TOO_SLOW, since: now, at: now, until: 'it works' });
        break;
      case 'audit_recovered':
        this.#problems.delete('audit');
        break;
    }
  }

  /** Those that are not over. */
  at(now: number): readonly SideProblem[] {
    return [...this.#problems.values()].filter(({ until, at }) => until === 'it works' || now - at < TOLD_MS);
  }

  #add(key: string, problem: SideProblem): void {
    const before = this.#problems.get(key);
    if (before === undefined && this.#problems.size >= MAX_PROBLEMS) this.#forgetTold(problem.at);
    if (before === undefined && this.#problems.size >= MAX_PROBLEMS) return;
    this.#problems.set(key, { ...problem, since: before?.since ?? problem.since });
  }

  #forgetTold(now: number): void {
    for (const [key, { until, at }] of this.#problems) {
      if (until === 'told' && now - at >= TOLD_MS) this.#problems.delete(key);
    }
  }
}
