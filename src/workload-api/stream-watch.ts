/** Holds one stream of the Workload API open for as long as the sidecar lives. SPIFFE Workload API specification, section 5.1. */
import { status } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import { backoff } from './backoff.ts';
import type { Fetch } from './client.ts';
import { judge, type Verdict } from './verdict.ts';

/**
 * A peer that accepts and never speaks would be waited for until the end of days. Longer than the 30 s for which SPIRE's agent may
 * poll the kubelet before it knows who is calling.
 */
const FIRST_MESSAGE_TIMEOUT_MS = 40_000;
/** A stream that lived this long was healthy: its end does not count together with earlier failures. */
const HEALTHY_AFTER_MS = 10_000;

export interface Loss {
  readonly code: status;
  readonly details: string;
  readonly verdict: Verdict;
  /** In a row. */
  readonly failures: number;
  /** Absent: it is not tried again. */
  readonly retryInMs?: number;
}

export interface StreamWatchOptions<Message> {
  readonly fetch: Fetch<Message>;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Before the first message of each stream, so many milliseconds after it was opened. */
  readonly onConnected: (afterMs: number) => void;
  readonly onMessage: (message: Message) => void;
  readonly onLost: (loss: Loss) => void;
}

type State =
  | { readonly kind: 'idle' }
  /** A call is open and has not said anything yet. */
  | { readonly kind: 'opening'; readonly cancel: () => void; readonly stopWatchdog: () => void; readonly at: number }
  | { readonly kind: 'streaming'; readonly cancel: () => void; readonly since: number }
  | { readonly kind: 'waiting'; readonly stopTimer: () => void }
  /** What the peer said cannot be mended by asking again. */
  | { readonly kind: 'given up' }
  | { readonly kind: 'stopped' };

export class StreamWatch<Message> {
  readonly #options: StreamWatchOptions<Message>;
  #state: State = { kind: 'idle' };
  #failures = 0;

  constructor(options: StreamWatchOptions<Message>) {
    this.#options = options;
  }

  start(): void {
    if (this.#state.kind === 'idle') this.#open();
  }

  /** Asks anew: what the stream said is not in use any more. */
  restart(): void {
    if (this.#state.kind !== 'opening' && this.#state.kind !== 'streaming') return;
    this.#leave();
    this.#open();
  }

  stop(): void {
    this.#leave();
    this.#state = { kind: 'stopped' };
  }

  #leave(): void {
    const state = this.#state;
    if (state.kind === 'opening') state.stopWatchdog();
    if (state.kind === 'opening' || state.kind === 'streaming') state.cancel();
    if (state.kind === 'waiting') state.stopTimer();
  }

  #open(): void {
    const { clock, fetch } = this.#options;
    const at = clock.monotonic();
    const stopWatchdog = clock.after(FIRST_MESSAGE_TIMEOUT_MS, () => {
      cancel();
      this.#ended(status.DEADLINE_EXCEEDED, `connected, but no message for ${FIRST_MESSAGE_TIMEOUT_MS / 1000} s`);
    });
    const cancel = fetch({
      message: (message) => this.#received(message),
      end: (code, details) => this.#ended(code, details),
    });
    this.#state = { kind: 'opening', cancel, stopWatchdog, at };
  }

  #received(message: Message): void {
    const { clock, onConnected, onMessage } = this.#options;
    if (this.#state.kind === 'opening') {
      const { stopWatchdog, cancel, at } = this.#state;
      stopWatchdog();
      this.#state = { kind: 'streaming', cancel, since: clock.monotonic() };
      onConnected(clock.monotonic() - at);
    }
    if (this.#state.kind === 'streaming') onMessage(message);
  }

  #ended(code: status, details: string): void {
    const { clock, random, onLost } = this.#options;
    const state = this.#state;
    if (state.kind !== 'opening' && state.kind !== 'streaming') return;
    if (state.kind === 'opening') state.stopWatchdog();
    const healthy = state.kind === 'streaming' && clock.monotonic() - state.since >= HEALTHY_AFTER_MS;
    this.#failures = healthy ? 1 : this.#failures + 1;
    const verdict = judge(code);
    const loss = { code, details, verdict, failures: this.#failures };
    if (verdict.next === 'stop') {
      this.#state = { kind: 'given up' };
      onLost(loss);
    } else {
      const retryInMs = backoff(this.#failures, random());
      this.#state = { kind: 'waiting', stopTimer: clock.after(retryInMs, () => this.#open()) };
      onLost({ ...loss, retryInMs });
    }
  }
}
