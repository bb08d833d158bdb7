/** Hears when the status has changed, asks for it, and knows when the sidecar is lost. */
import type { Status } from '../status.ts';

/** The sidecar says something every 5 s at the least. */
const SILENCE_MS = 12_000;
const AGAIN_MS = 3_000;
/** Where as many look already as may, one asks instead. */
const ASK_MS = 5_000;
const MIN_PAUSE_MS = 1_000;
/** A status that takes the sidecar long is asked for the more rarely. */
const PAUSE_FACTOR = 10;
const PATIENCE_MS = 10_000;

export interface LiveOptions {
  readonly onStatus: (status: Status) => void;
  /** Also when it was lost already. */
  readonly onLost: () => void;
}

export class Live {
  readonly #options: LiveOptions;
  #source: EventSource | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  /** The number of the state that was asked for last. */
  #shown: string | undefined;
  #wanted: string | undefined;
  #asking = false;

  constructor(options: LiveOptions) {
    this.#options = options;
    this.#connect();
  }

  #connect(): void {
    const source = new EventSource('v1/changes');
    this.#source = source;
    this.#waitForWord();
    source.addEventListener('change', ({ data }) => {
      this.#waitForWord();
      this.#want(data);
    });
    source.addEventListener('error', () => this.#again(source));
  }

  /** A connection may be there still when nobody is at its other end. */
  #waitForWord(): void {
    clearTimeout(this.#silence);
    const source = this.#source;
    this.#silence = setTimeout(() => source !== undefined && this.#again(source), SILENCE_MS);
  }

  #again(source: EventSource): void {
    if (source !== this.#source) return;
    source.close();
    this.#source = undefined;
    clearTimeout(this.#silence);
    // Whether the sidecar is gone, or only has no room for one more who looks, the status tells.
    this.#shown = undefined;
    this.#want(`asked ${Date.now()}`);
    setTimeout(() => this.#connect(), this.#asking ? AGAIN_MS : ASK_MS);
  }

  #want(number: string): void {
    this.#wanted = number;
    if (!this.#asking && this.#wanted !== this.#shown) void this.#ask();
  }

  async #ask(): Promise<void> {
    this.#asking = true;
    this.#shown = this.#wanted;
    const began = performance.now();
    try {
      const response = await fetch('v1/status', { signal: AbortSignal.timeout(PATIENCE_MS) });
      if (!response.ok) throw new Error(`it answered ${response.status}`);
      this.#options.onStatus((await response.json()) as Status);
    } catch {
      this.#shown = undefined;
      this.#options.onLost();
    }
    const pause = Math.max(MIN_PAUSE_MS, (performance.now() - began) * PAUSE_FACTOR);
    setTimeout(() => {
      this.#asking = false;
      if (this.#source !== undefined && this.#wanted !== this.#shown) void this.#ask();
    }, pause);
  }
}
