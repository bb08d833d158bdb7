import { EventEmitter, once } from 'node:events';
import { messageOf } from '../../../src/error.ts';

const TIME_LIMIT_MS = 5_000;

/** Requests without a pause, a fixed number at a time, until it is disposed of. */
export class SteadyLoad implements AsyncDisposable {
  /** What went wrong, and how often. */
  readonly failures = new Map<string, number>();
  readonly #url: string;
  readonly #workers: readonly Promise<void>[];
  readonly #news = new EventEmitter();
  readonly #stop = new AbortController();
  /** The numbers of the requests that have begun and not ended. */
  readonly #underWay = new Set<number>();
  #answered = 0;
  #begun = 0;
  #ended = 0;

  constructor(url: string, concurrency = 4) {
    this.#url = url;
    this.#workers = Array.from({ length: concurrency }, () => this.#work());
  }

  /** How many were answered with 200. */
  get answered(): number {
    return this.#answered;
  }

  /** Waits until that many more have ended, well or badly. */
  async more(requests: number): Promise<void> {
    const enough = this.#ended + requests;
    while (this.#ended < enough) await once(this.#news, 'ended');
  }

  /** Waits until all requests that have begun by now have ended. */
  async settled(): Promise<void> {
    const last = this.#begun;
    while ([...this.#underWay].some((number) => number <= last)) await once(this.#news, 'ended');
  }

  /** Ends the load, after the answers to what is under way. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#workers);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #work(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const number = ++this.#begun;
      this.#underWay.add(number);
      try {
        const response = await fetch(this.#url, { signal: AbortSignal.timeout(TIME_LIMIT_MS) });
        const body = await response.text();
        if (response.status === 200) this.#answered += 1;
        else this.#failed(`${response.status} ${body}`);
      } catch (thrown) {
        this.#failed(messageOf(thrown));
      }
      this.#underWay.delete(number);
      this.#ended += 1;
      this.#news.emit('ended');
    }
  }

  #failed(reason: string): void {
    this.failures.set(reason, (this.failures.get(reason) ?? 0) + 1);
  }
}
