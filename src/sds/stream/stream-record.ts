/** Reports what was sent on one stream, how and when it was answered, and keeps its share of the totals. */
import type { Clock } from '../../clock.ts';
import type { EventListener, ResponseInfo, StreamInfo } from '../../events.ts';
import { versionOf } from '../../secrets/secret.ts';
import { maxUnanswered } from '../protocol/backlog.ts';
import type { Sent, Unanswered } from '../protocol/protocol.ts';
import { redact, rejectionKind } from './redact.ts';
import type { LastNack } from './stream-status.ts';

/** Of all streams. */
export interface Totals {
  /** Names, counted once for each stream that asks for them. */
  subscriptions: number;
  /** Those among them that have no secret to send. */
  held: number;
}

export interface StreamRecordOptions {
  readonly events: EventListener;
  readonly clock: Clock;
  /** Each stream keeps its own share up to date. */
  readonly totals: Totals;
  /** By response, so that streams which share one also share its description. */
  readonly responseInfos: WeakMap<Sent, ResponseInfo>;
}

const NO_SHARE: Readonly<Totals> = { subscriptions: 0, held: 0 };

interface ReportedResponse {
  readonly info: ResponseInfo;
  /** By the monotonic clock. */
  readonly at: number;
}

export class StreamRecord {
  readonly #options: StreamRecordOptions;
  /** Responses without an answer, oldest first. An array, because there is one as a rule. */
  readonly #unanswered: ReportedResponse[] = [];
  #lastAck: number | undefined;
  #lastNack: LastNack | undefined;
  #share: Readonly<Totals> = NO_SHARE;

  constructor(options: StreamRecordOptions) {
    this.#options = options;
  }

  /** Milliseconds since the epoch. */
  get answers(): { readonly lastAck?: number; readonly lastNack?: LastNack } {
    return {
      ...(this.#lastAck !== undefined && { lastAck: this.#lastAck }),
      ...(this.#lastNack && { lastNack: this.#lastNack }),
    };
  }

  /** @param update the number of the newest update of the secrets */
  pushed(response: Sent, update: number, because: ResponseInfo['because'], stream: StreamInfo): void {
    const { clock, events, responseInfos } = this.#options;
    const info = sharedContentOf(responseInfos, response, update, because);
    this.#unanswered.push({ info, at: clock.monotonic() });
    if (this.#unanswered.length > maxUnanswered(this.#share.subscriptions)) this.#unanswered.shift();
    // No spread, here and below: it is slow, and these two events happen on each stream.
    const { nonce, secrets, removed } = info;
    const { stream: number, method, peer, node } = stream;
    events({ type: 'secrets_pushed', nonce, secrets, removed, update, because, stream: number, method, peer, node });
  }

  /** @param error Envoy's words, when it rejected the response */
  answered(response: Unanswered, error: string | undefined, stream: StreamInfo): void {
    const { clock, events } = this.#options;
    const now = clock.monotonic();
    const index = this.#unanswered.findIndex(({ info }) => info.nonce === response.nonce);
    const { at, info } = this.#unanswered[index] ?? { at: now, info: contentOf(response, 0, 'request') };
    if (index !== -1) this.#unanswered.splice(index, 1);
    const { nonce, secrets, removed, update, because } = info;
    const { stream: number, method, peer, node } = stream;
    const answer = { afterMs: now - at, nonce, secrets, removed, update, because, stream: number, method, peer, node };
    if (error === undefined) {
      this.#lastAck = clock.now();
      events({ type: 'secrets_accepted', ...answer });
      return;
    }
    const reason = redact(error);
    this.#lastNack = { at: clock.now(), names: response.secrets.map(({ name }) => name), reason };
    events({ type: 'secrets_rejected', reason, kind: rejectionKind(error), ...answer });
  }

  /** How many names the stream asks for now, and how many of them have no secret. */
  count(subscriptions: number, held: number): void {
    if (subscriptions === this.#share.subscriptions && held === this.#share.held) return;
    const { totals } = this.#options;
    totals.subscriptions += subscriptions - this.#share.subscriptions;
    totals.held += held - this.#share.held;
    this.#share = { subscriptions, held };
  }
}

function sharedContentOf(
  infos: WeakMap<Sent, ResponseInfo>,
  response: Sent,
  update: number,
  because: ResponseInfo['because'],
): ResponseInfo {
  const known = infos.get(response);
  if (known?.update === update && known.because === because) return known;
  const info = contentOf(response, update, because);
  infos.set(response, info);
  return info;
}

function contentOf({ nonce, secrets, removed = [] }: Unanswered, update: number, because: ResponseInfo['because']): ResponseInfo {
  return { nonce, secrets: secrets.map((secret) => ('any' in secret ? versionOf(secret) : secret)), removed, update, because };
}
