/** Keeps one stream of the Workload API open, and reopens it when it ends (SPIFFE Workload API specification, section 5.1). */
import { status } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import { backoff } from './backoff.ts';
import type { Fetch } from './stream-call.ts';
import { type Verdict, verdictOf as verdictOfWorkloadApi } from './verdict.ts';

/**
 * How long to wait for the first message of a peer that accepts the call. It must be more than 30 s: that is how long SPIRE's agent may
 * poll the kubelet to find out who is calling.
 */
const FIRST_MESSAGE_TIMEOUT_MS = 40_000;
/** A stream that lasted this long was healthy, so its end starts a new count of failures. */
const HEALTHY_AFTER_MS = 10_000;

/** Why a stream ended, and what happens next. */
export interface Loss {
  readonly code: status;
  readonly details: string;
  readonly verdict: Verdict;
  /** Consecutive failures, this one included. */
  readonly failures: number;
  /** Milliseconds until the next attempt; absent when there is none. */
  readonly retryInMs?: number;
}

/** The dependencies and listeners of a `StreamWatch`. */
export interface StreamWatchOptions<Message> {
  readonly fetch: Fetch<Message>;
  /** Default: that of the Workload API. */
  readonly verdictOf?: (code: status) => Verdict;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Called before the first message of each stream, with the milliseconds since the stream was opened. */
  readonly onConnected: (afterMs: number) => void;
  readonly onMessage: (message: Message) => void;
  readonly onLost: (loss: Loss) => void;
}

type State =
  /** `start` was not called yet. */
  | { readonly kind: 'idle' }
  /** A call is open, and no message has arrived yet. */
  | { readonly kind: 'opening'; readonly cancel: () => void; readonly stopWatchdog: () => void; readonly at: number }
  /** A call is open, and at least one message has arrived. */
  | { readonly kind: 'streaming'; readonly cancel: () => void; readonly since: number }
  /** The call failed. A timer will open the next one. */
  | { readonly kind: 'waiting'; readonly stopTimer: () => void }
  /** The Workload API answered with an error that a retry cannot fix. */
  | { readonly kind: 'given up' }
  /** `stop` was called. */
  | { readonly kind: 'stopped' };

/** One stream of the Workload API, with its retries. */
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

  /** Closes the open stream and opens a new one, so that the Workload API sends its state again. */
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
    const { clock, random, onLost, verdictOf = verdictOfWorkloadApi } = this.#options;
    const state = this.#state;
    if (state.kind !== 'opening' && state.kind !== 'streaming') return;
    if (state.kind === 'opening') state.stopWatchdog();
    const healthy = state.kind === 'streaming' && clock.monotonic() - state.since >= HEALTHY_AFTER_MS;
    this.#failures = healthy ? 1 : this.#failures + 1;
    const verdict = verdictOf(code);
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
