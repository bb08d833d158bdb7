/**
 * Answers that cost something: one is made at a time, and the same for all who ask the same within a moment, as long as nothing has
 * happened that changes it.
 */
import type { Clock } from '../clock.ts';

/** Short enough that nobody notices that an answer is shared. */
const KEPT_MS = 250;

export interface SharedAnswersOptions<Question, Answer> {
  readonly make: (question: Question) => Promise<Answer>;
  /** Another number after something has happened. */
  readonly revision: () => number;
  readonly clock: Clock;
}

export class SharedAnswers<Question, Answer> {
  readonly #options: SharedAnswersOptions<Question, Answer>;
  readonly #answers = new Map<string, { readonly revision: number; readonly answer: Promise<Answer> }>();
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: SharedAnswersOptions<Question, Answer>) {
    this.#options = options;
  }

  /** Rejects as `make` does. */
  ask(question: Question): Promise<Answer> {
    const { make, revision, clock } = this.#options;
    const key = JSON.stringify(question);
    const known = this.#answers.get(key);
    if (known?.revision === revision()) return known.answer;
    const answer = this.#last.then(() => make(question));
    const entry = { revision: revision(), answer };
    this.#answers.set(key, entry);
    const forget = () => {
      if (this.#answers.get(key) === entry) this.#answers.delete(key);
    };
    this.#last = answer.then(() => void clock.after(KEPT_MS, forget), forget);
    return answer;
  }
}
