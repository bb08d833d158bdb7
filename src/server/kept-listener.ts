/**
 * A Unix listener that checks its path every few seconds. When something deletes the socket file or puts another there, new clients cannot
 * connect, and the server notices nothing else.
 */
import type { Clock } from '../clock.ts';
import { messageOf } from '../error.ts';
import { UnixListener, type UnixListenerOptions } from './unix-listener.ts';

export interface KeptListenerOptions extends UnixListenerOptions {
  readonly clock: Clock;
  /** Called once for each reason: that the socket is lost, and why it cannot be put back. */
  readonly onLost: (reason: string) => void;
  readonly onRestored: () => void;
}

/** Each check is one call of lstat(2). */
export const LOOK_MS = 2_000;

export class KeptListener {
  readonly #listener: UnixListener;
  readonly #options: KeptListenerOptions;
  #cancel: () => void;
  #looking: Promise<void> = Promise.resolve();
  #closed = false;
  /** The reason that was reported last; undefined while the socket is there. */
  #reported: string | undefined;

  private constructor(listener: UnixListener, options: KeptListenerOptions) {
    this.#listener = listener;
    this.#options = options;
    this.#cancel = this.#lookLater();
  }

  /** @throws SpiffeSdsError as `UnixListener.open` does */
  static async open(options: KeptListenerOptions): Promise<KeptListener> {
    return new KeptListener(await UnixListener.open(options), options);
  }

  /** Accepts no more, and removes the file if it is ours. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancel();
    await this.#looking;
    await this.#listener.close();
  }

  #lookLater(): () => void {
    return this.#options.clock.after(LOOK_MS, () => {
      this.#looking = this.#look();
    });
  }

  async #look(): Promise<void> {
    const reason = await this.#listener.lost();
    if (reason !== undefined && !this.#closed) await this.#putBack(reason);
    else if (reason === undefined) this.#found();
    if (!this.#closed) this.#cancel = this.#lookLater();
  }

  async #putBack(reason: string): Promise<void> {
    if (this.#reported === undefined) this.#report(reason);
    try {
      await this.#listener.restore();
      this.#found();
    } catch (error) {
      this.#report(`${reason}, and it cannot be put back: ${messageOf(error)}`);
    }
  }

  #report(reason: string): void {
    if (this.#reported === reason) return;
    this.#reported = reason;
    this.#options.onLost(reason);
  }

  #found(): void {
    if (this.#reported === undefined) return;
    this.#reported = undefined;
    this.#options.onRestored();
  }
}
