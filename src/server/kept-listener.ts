/**
 * A Unix listener whose path is looked at every few seconds: whatever cleans the folder, or puts a socket of its own there, would keep
 * everybody who comes later away, and nothing else would tell.
 */
import type { Clock } from '../clock.ts';
import { messageOf } from '../error.ts';
import { UnixListener, type UnixListenerOptions } from './unix-listener.ts';

export interface KeptListenerOptions extends UnixListenerOptions {
  readonly clock: Clock;
  /** Told once for each reason, before it is put back, and why it cannot be put back. */
  readonly onLost: (reason: string) => void;
  readonly onRestored: () => void;
}

/** A look is one call of lstat(2). */
export const LOOK_MS = 2_000;

export class KeptListener {
  readonly #listener: UnixListener;
  readonly #options: KeptListenerOptions;
  #cancel: () => void;
  #looking: Promise<void> = Promise.resolve();
  #closed = false;
  /** Undefined while it is there. */
  #told: string | undefined;

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
    if (this.#told === undefined) this.#tell(reason);
    try {
      await this.#listener.restore();
      this.#found();
    } catch (error) {
      this.#tell(`${reason}, and it cannot be put back: ${messageOf(error)}`);
    }
  }

  #tell(reason: string): void {
    if (this.#told === reason) return;
    this.#told = reason;
    this.#options.onLost(reason);
  }

  #found(): void {
    if (this.#told === undefined) return;
    this.#told = undefined;
    this.#options.onRestored();
  }
}
