/**
 * Watches this workload's X.509 identities and trust bundles, and makes verified contexts of them (SPIFFE Workload API specification,
 * sections 5.2.1 and 5.2.2).
 */
import { status } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import { messageOf, SpiffeSdsError } from '../error.ts';
import type { EventListener, WorkloadApiMethod } from '../events.ts';
import type { X509BundlesResponse, X509SVIDResponse } from '../gen/messages.ts';
import type { CertificateReader } from '../spiffe/certificate-reader.ts';
import { EMPTY_CONTEXT, type X509Context } from '../spiffe/x509-context.ts';
import { sameContext } from './changes.ts';
import { type LeftOut, readBundles, readContext } from './context.ts';
import { prepareCrls } from './crl-preparation.ts';
import { type KnownParts, NOTHING_KNOWN } from './known-parts.ts';
import { nextMessageNumber } from './message-number.ts';
import { type Loss, StreamWatch } from './stream-watch.ts';
import type { Verdict } from './verdict.ts';
import type { WorkloadApi } from './workload-api.ts';

/** The dependencies and listeners of an `X509Watch`. */
export interface X509WatchOptions {
  readonly api: Pick<WorkloadApi, 'address' | 'wipe' | 'fetchX509Svid' | 'fetchX509Bundles' | 'verdictOf'>;
  readonly reader: CertificateReader;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Whether PermissionDenied withdraws the received identities and bundles. */
  readonly onPermissionDenied: () => 'withdraw' | 'keep';
  readonly events: EventListener;
  /** Called with the newest context (EMPTY_CONTEXT when all was withdrawn) and the reason why missing parts were withdrawn. */
  readonly onContext: (context: X509Context, reason: string) => void;
}

/** Combines the streams FetchX509SVID and FetchX509Bundles into one context. */
export class X509Watch {
  readonly #options: X509WatchOptions;
  readonly #svids: StreamWatch<X509SVIDResponse>;
  readonly #bundles: StreamWatch<X509BundlesResponse>;
  #fromSvids = EMPTY_CONTEXT;
  #fromBundles = EMPTY_CONTEXT;
  /** The parsed parts of the last message on each stream. */
  #svidParts: KnownParts<LeftOut> = NOTHING_KNOWN;
  #bundleParts: KnownParts<LeftOut> = NOTHING_KNOWN;
  #context = EMPTY_CONTEXT;
  #handedOver: X509Context | undefined;
  /** Resolves when the messages that wait for large CRLs are processed. */
  #waiting: Promise<void> | undefined;
  #withdrawals = 0;
  /** Whether the identities are known. Before that, a context with bundles alone would wrongly say that there are no identities. */
  #begun = false;

  constructor(options: X509WatchOptions) {
    const { api, clock, random, events } = options;
    const { address, verdictOf } = api;
    this.#options = options;
    this.#svids = new StreamWatch({
      fetch: api.fetchX509Svid,
      verdictOf,
      clock,
      random,
      onConnected: (afterMs) => events({ type: 'workload_api_connected', address, afterMs }),
      onMessage: (response) => this.#receive('FetchX509SVID', response, (message) => this.#receivedSvids(response, message)),
      onLost: (loss) => this.#lost(loss),
    });
    this.#bundles = new StreamWatch({
      fetch: api.fetchX509Bundles,
      verdictOf,
      clock,
      random,
      onConnected: () => undefined,
      onMessage: (response) => this.#receive('FetchX509Bundles', response, (message) => this.#receivedBundles(response, message)),
      // The SVID stream reports connection problems, and a Workload API without this method is not a problem.
      onLost: ({ verdict }) => this.#lostBundles(verdict),
    });
  }

  start(): void {
    this.#svids.start();
    this.#bundles.start();
  }

  stop(): void {
    this.#withdrawals += 1;
    this.#svids.stop();
    this.#bundles.stop();
  }

  #receive(method: WorkloadApiMethod, response: X509SVIDResponse | X509BundlesResponse, handle: (message: number) => void): void {
    const { events } = this.#options;
    const message = nextMessageNumber();
    events({ type: 'message_received', message, method });
    this.#inOrder(response, () => {
      handle(message);
      events({ type: 'message_handled', message });
    });
  }

  /** Processes messages in order. A message with large CRLs delays all later ones; a withdrawal drops the messages that still wait. */
  #inOrder(response: X509SVIDResponse | X509BundlesResponse, receive: () => void): void {
    const withdrawals = this.#withdrawals;
    const isWanted = () => this.#withdrawals === withdrawals;
    const prepare = () => prepareCrls(response, [this.#fromSvids, this.#fromBundles], this.#options.reader);
    const ready = this.#waiting === undefined ? prepare() : this.#waiting.then(() => (isWanted() ? prepare() : undefined));
    if (ready === undefined) {
      receive();
      return;
    }
    const done = ready.then(() => {
      if (isWanted()) receive();
      if (this.#waiting === done) this.#waiting = undefined;
      this.#forgetCrls();
    });
    this.#waiting = done;
  }

  /** Forgets unused CRLs, but not while a message waits, because it may need them. */
  #forgetCrls(): void {
    if (this.#waiting === undefined) this.#options.reader.crls.keep([...this.#fromSvids.crls, ...this.#fromBundles.crls]);
  }

  #receivedSvids(response: X509SVIDResponse, message: number): void {
    const { events, reader } = this.#options;
    reader.nextGeneration();
    try {
      const { context, leftOut, parts } = readContext(response, reader, this.#svidParts);
      this.#svidParts = parts;
      events({ type: 'context_received', message, svids: context.svids.length, bundles: context.bundles.size });
      this.#reportLeftOut(leftOut);
      this.#begun = true;
      this.#adopt(GONE, context, this.#fromBundles);
    } catch (error) {
      const code = error instanceof SpiffeSdsError ? error.code : 'response_invalid';
      events({ type: 'context_discarded', message, code, reason: messageOf(error) });
    } finally {
      this.#options.api.wipe?.(response);
    }
  }

  #receivedBundles(response: X509BundlesResponse, message: number): void {
    const { reader, events } = this.#options;
    const { context, leftOut, parts } = readBundles(response, reader, this.#bundleParts);
    this.#bundleParts = parts;
    events({ type: 'bundles_received', message, bundles: context.bundles.size });
    this.#reportLeftOut(leftOut);
    this.#adopt(GONE, this.#fromSvids, context);
  }

  #lost({ code, details, verdict, ...more }: Loss): void {
    const { events, api } = this.#options;
    events({ type: 'workload_api_lost', address: api.address, code: status[code], details, meaning: verdict.meaning, ...more });
    if (this.#withdrawn(verdict)) this.#withdrawals += 1;
    if (this.#withdrawn(verdict) && this.#fromSvids !== EMPTY_CONTEXT) {
      this.#adopt(verdict.meaning, EMPTY_CONTEXT, EMPTY_CONTEXT);
      // A new stream shows whether this workload may still have the bundles.
      this.#bundles.restart();
    } else if (!this.#begun && (verdict.identities === 'withdraw' || verdict.next === 'stop')) {
      this.#begun = true;
      this.#adopt(verdict.meaning, this.#fromSvids, this.#fromBundles);
    }
  }

  /** When the bundle stream is not opened again, its bundles must go: nothing could withdraw them later. */
  #lostBundles(verdict: Verdict): void {
    const isOver = this.#withdrawn(verdict) || verdict.next === 'stop';
    if (isOver && this.#fromBundles !== EMPTY_CONTEXT) this.#adopt(verdict.meaning, this.#fromSvids, EMPTY_CONTEXT);
  }

  #withdrawn({ identities }: Verdict): boolean {
    return identities === 'withdraw' && this.#options.onPermissionDenied() === 'withdraw';
  }

  #reportLeftOut(leftOut: readonly LeftOut[]): void {
    for (const one of leftOut) this.#options.events(one);
  }

  /** Combines both streams. If both have a bundle of a trust domain, the one from the SVID stream is used: it verified the SVIDs. */
  #adopt(reason: string, fromSvids: X509Context, fromBundles: X509Context): void {
    const before = this.#context;
    this.#fromSvids = fromSvids;
    this.#fromBundles = fromBundles;
    if (fromSvids === EMPTY_CONTEXT) this.#svidParts = NOTHING_KNOWN;
    if (fromBundles === EMPTY_CONTEXT) this.#bundleParts = NOTHING_KNOWN;
    const isEmpty = fromSvids === EMPTY_CONTEXT && fromBundles === EMPTY_CONTEXT;
    this.#context = isEmpty
      ? EMPTY_CONTEXT
      : {
          svids: fromSvids.svids,
          bundles: new Map([...fromSvids.bundles, ...[...fromBundles.bundles].filter(([name]) => !fromSvids.bundles.has(name))]),
          crls: [...new Set([...fromSvids.crls, ...fromBundles.crls])],
        };
    this.#forgetCrls();
    if (!this.#begun || (isEmpty && before === EMPTY_CONTEXT) || this.#isKnown()) return;
    this.#handedOver = this.#context;
    this.#options.onContext(this.#context, reason);
  }

  #isKnown(): boolean {
    return this.#handedOver !== undefined && sameContext(this.#handedOver, this.#context);
  }
}

const GONE = 'the Workload API no longer lists it';
