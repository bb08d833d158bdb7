/** Tries to listen until it works: an address that is in use now may be free in a moment, or in an hour. */
import type { Clock } from '../clock.ts';
import { messageOf } from '../error.ts';

export type Stop = () => Promise<void>;

export interface ListeningAgainOptions {
  readonly clock: Clock;
  /** Rejects with what is in the way. Returns what stops it. */
  readonly listen: () => Promise<Stop>;
  readonly onListening: () => void;
  /** Called once for as long as the reason stays the same. */
  readonly onFailed: (error: unknown) => void;
}

export const FIRST_RETRY_MS = 1_000;
const MAX_RETRY_MS = 30_000;

export class ListeningAgain {
  readonly #options: ListeningAgainOptions;
  #retryMs = FIRST_RETRY_MS;
  #reported: string | undefined;
  #trying: Promise<void> = Promise.resolve();
  #cancel: (() => void) | undefined;
  #stop: Stop | undefined;
  #stopped = false;

  private constructor(options: ListeningAgainOptions) {
    this.#options = options;
  }

  /** Resolves after the first try. */
  static async start(options: ListeningAgainOptions): Promise<ListeningAgain> {
    const listening = new ListeningAgain(options);
    await listening.#try();
    return listening;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#trying;
    await this.#stop?.();
  }

  async #try(): Promise<void> {
    const { listen, onListening, onFailed, clock } = this.#options;
    try {
      this.#stop = await listen();
      onListening();
    } catch (error) {
      if (this.#reported !== messageOf(error)) onFailed(error);
      this.#reported = messageOf(error);
      if (this.#stopped) return;
      this.#cancel = clock.after(this.#retryMs, () => {
        this.#trying = this.#try();
      });
      this.#retryMs = Math.min(2 * this.#retryMs, MAX_RETRY_MS);
    }
  }
}
