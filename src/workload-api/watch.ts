/**
 * Holds one FetchX509SVID stream open for as long as the sidecar lives and turns what comes into verified contexts. SPIFFE Workload
 * API specification, sections 5.1 and 5.2.
 */
import { status } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import { messageOf, SpiffeSdsError } from '../error.ts';
import type { EventListener } from '../events.ts';
import type { X509SVIDResponse } from '../gen/messages.ts';
import type { CertificateReader } from '../spiffe/certificate.ts';
import { EMPTY_CONTEXT, type X509Context } from '../spiffe/x509-context.ts';
import { backoff } from './backoff.ts';
import { contextChanges } from './changes.ts';
import type { Fetch } from './client.ts';
import { readContext } from './context.ts';
import { judge } from './verdict.ts';

/**
 * A peer that accepts and never speaks would be waited for until the end of days. Longer than the 30 s for which SPIRE's agent may
 * poll the kubelet before it knows who is calling.
 */
const FIRST_MESSAGE_TIMEOUT_MS = 40_000;
/** A stream that lived this long was healthy: its end does not count together with earlier failures. */
const HEALTHY_AFTER_MS = 10_000;

export interface X509WatchOptions {
  readonly fetch: Fetch;
  /** For events. */
  readonly address: string;
  readonly reader: CertificateReader;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly events: EventListener;
  /** The newest context; EMPTY_CONTEXT when everything was withdrawn. */
  readonly onContext: (context: X509Context) => void;
}

type State =
  | { readonly kind: 'idle' }
  /** A call is open and has not said anything yet. */
  | { readonly kind: 'opening'; readonly cancel: () => void; readonly stopWatchdog: () => void }
  | { readonly kind: 'streaming'; readonly cancel: () => void; readonly since: number }
  | { readonly kind: 'waiting'; readonly stopTimer: () => void }
  | { readonly kind: 'stopped' };

export class X509Watch {
  readonly #options: X509WatchOptions;
  #state: State = { kind: 'idle' };
  #context = EMPTY_CONTEXT;
  #failures = 0;

  constructor(options: X509WatchOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#state.kind === 'idle') this.#open();
  }

  stop(): void {
    const state = this.#state;
    this.#state = { kind: 'stopped' };
    if (state.kind === 'opening') state.stopWatchdog();
    if (state.kind === 'opening' || state.kind === 'streaming') state.cancel();
    if (state.kind === 'waiting') state.stopTimer();
  }

  #open(): void {
    const { clock, fetch } = this.#options;
    const stopWatchdog = clock.after(FIRST_MESSAGE_TIMEOUT_MS, () => {
      cancel();
      this.#ended(status.DEADLINE_EXCEEDED, `connected, but no message for ${FIRST_MESSAGE_TIMEOUT_MS / 1000} s`);
    });
    const cancel = fetch({
      message: (response) => this.#received(response),
      end: (code, details) => this.#ended(code, details),
    });
    this.#state = { kind: 'opening', cancel, stopWatchdog };
  }

  #received(response: X509SVIDResponse): void {
    const { clock, events, address, reader } = this.#options;
    if (this.#state.kind === 'opening') {
      this.#state.stopWatchdog();
      this.#state = { kind: 'streaming', cancel: this.#state.cancel, since: clock.now() };
      events({ type: 'workload_api_connected', address });
    }
    if (this.#state.kind !== 'streaming') return;
    reader.nextGeneration();
    try {
      const { context, leftOut } = readContext(response, reader, clock.now());
      events({ type: 'context_received', svids: context.svids.length, bundles: context.bundles.size });
      for (const bundle of leftOut) events({ type: 'bundle_left_out', ...bundle });
      this.#adopt(context, 'the Workload API no longer lists it');
    } catch (error) {
      const code = error instanceof SpiffeSdsError ? error.code : 'response_invalid';
      events({ type: 'context_discarded', code, reason: messageOf(error) });
    }
  }

  #ended(code: status, details: string): void {
    const { clock, events, address, random } = this.#options;
    const state = this.#state;
    if (state.kind !== 'opening' && state.kind !== 'streaming') return;
    if (state.kind === 'opening') state.stopWatchdog();
    const healthy = state.kind === 'streaming' && clock.now() - state.since >= HEALTHY_AFTER_MS;
    this.#failures = healthy ? 1 : this.#failures + 1;
    const { identities, next, meaning } = judge(code);
    const lost = { type: 'workload_api_lost', address, code: status[code], details, meaning, failures: this.#failures } as const;
    if (next === 'stop') {
      this.#state = { kind: 'stopped' };
      events(lost);
    } else {
      const retryInMs = backoff(this.#failures, random());
      this.#state = { kind: 'waiting', stopTimer: clock.after(retryInMs, () => this.#open()) };
      events({ ...lost, retryInMs });
    }
    if (identities === 'withdraw') this.#adopt(EMPTY_CONTEXT, meaning);
  }

  #adopt(context: X509Context, reason: string): void {
    const before = this.#context;
    this.#context = context;
    for (const change of contextChanges(before, context, reason)) this.#options.events(change);
    if (context !== EMPTY_CONTEXT || before !== EMPTY_CONTEXT) this.#options.onContext(context);
  }
}
