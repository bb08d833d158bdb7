/**
 * Tells those who look at the status page that something has changed, as server-sent events (HTML, section 9.2). Only the number of the state is sent,
 * never the state: who wants to know more asks for the status, which all share. So a reader who is slow takes no memory.
 */
import type { ServerResponse } from 'node:http';
import type { Clock } from '../clock.ts';
import { type Answer, text } from './read-only-server.ts';

/** All others of the listener's places are for probes, metrics and whoever asks once. */
export const MAX_WATCHERS = 8;
const LOOK_MS = 1_000;
/** So that a page that hears nothing for some time knows that the sidecar is gone. */
export const HEARTBEAT_MS = 5_000;

export interface LiveChangesOptions {
  /** Another number after anything has happened. */
  readonly heard: () => number;
  readonly clock: Clock;
}

export class LiveChanges {
  readonly #options: LiveChangesOptions;
  readonly #watchers = new Set<ServerResponse>();
  #forget: (() => void) | undefined;
  #told = -1;
  #toldAt = 0;

  constructor(options: LiveChangesOptions) {
    this.#options = options;
  }

  /** An answer that stays open; 503 when there are as many already. */
  answer(): Answer {
    if (this.#watchers.size >= MAX_WATCHERS) {
      return text(503, `${MAX_WATCHERS} pages watch this sidecar already: ask for /v1/status instead\n`);
    }
    return { status: 200, contentType: 'text/event-stream', body: '', live: (response) => this.#add(response) };
  }

  #add(response: ServerResponse): void {
    // Others may have come while the headers were on their way.
    if (this.#watchers.size >= MAX_WATCHERS) {
      response.destroy();
      return;
    }
    this.#watchers.add(response);
    response.once('close', () => {
      this.#watchers.delete(response);
      if (this.#watchers.size > 0) return;
      this.#forget?.();
      this.#forget = undefined;
    });
    response.write(event(this.#options.heard()));
    if (this.#forget === undefined) this.#lookLater();
  }

  #lookLater(): void {
    this.#forget = this.#options.clock.after(LOOK_MS, () => {
      this.#look();
      this.#lookLater();
    });
  }

  #look(): void {
    const heard = this.#options.heard();
    const now = this.#options.clock.monotonic();
    if (heard === this.#told && now - this.#toldAt < HEARTBEAT_MS) return;
    this.#told = heard;
    this.#toldAt = now;
    for (const response of this.#watchers) {
      // Whoever has not read what came before has gone, or sleeps: a page connects again by itself.
      if (response.writableNeedDrain) response.destroy();
      else response.write(event(heard));
    }
  }
}

function event(heard: number): string {
  return `event: change\ndata: ${heard}\n\n`;
}
