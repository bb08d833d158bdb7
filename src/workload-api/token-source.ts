/**
 * JWT-SVIDs of this workload: each is asked for when somebody wants it, one call at a time, and kept fresh for as long as somebody does.
 * SPIFFE Workload API specification, section 6.2.1. What happens to one of them over time says token-life.ts; `jose` is loaded with the first.
 */
import { status } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import { messageOf } from '../error.ts';
import type { EventListener } from '../events.ts';
import type { JWTSVIDResponse } from '../gen/messages.ts';
import { subjectOf, type Token, type TokenRequest, type TokenState, tokenKey } from '../spiffe/jwt/jwt-token.ts';
import { EMPTY_CONTEXT, type X509Context } from '../spiffe/x509-context.ts';
import type { FetchJwtSvid } from './client.ts';
import { nextMessageNumber } from './message-number.ts';
import {
  afterFailed,
  afterIdentified,
  afterOpened,
  afterReceived,
  afterTime,
  afterWanted,
  INITIAL_TOKEN_LIFE,
  isCallDue,
  isOpen,
  isPending,
  nextLook,
  servedToken,
  type TokenLife,
} from './token-life.ts';
import { judge } from './verdict.ts';

/** As for the first message of a stream. */
const CALL_TIMEOUT_MS = 40_000;
/** A timer sleeps while the machine does: the clock is looked at this often while there is something to wait for. */
const LOOK_MS = 1_000;
const UNIMPLEMENTED = 'this Workload API issues no JWT-SVIDs';
const NONE: TokenState = { pending: false };

export interface TokenSourceOptions {
  readonly fetch: FetchJwtSvid;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** What PermissionDenied means for a token that was received before. */
  readonly onPermissionDenied: () => 'withdraw' | 'keep';
  readonly events: EventListener;
  /** What is there for some request is another than before. */
  readonly onChange: (cause: 'workload_api' | 'time') => void;
}

interface Entry {
  readonly request: TokenRequest;
  life: TokenLife;
  /** Ends the call that is open. */
  cancel: () => void;
}

export class TokenSource {
  readonly #options: TokenSourceOptions;
  #entries = new Map<string, Entry>();
  #context = EMPTY_CONTEXT;
  #calls = 0;
  #stopTimer: () => void = () => undefined;
  #stopped = false;

  constructor(options: TokenSourceOptions) {
    this.#options = options;
  }

  /** These can be asked for from now on. Whoever uses them looks at them anew by himself. */
  configure(requests: readonly TokenRequest[]): void {
    const before = this.#entries;
    this.#entries = new Map();
    for (const request of requests) {
      const key = tokenKey(request);
      if (this.#entries.has(key)) continue;
      const life = afterIdentified(INITIAL_TOKEN_LIFE, subjectOf(request, this.#context));
      const known = before.get(key);
      // What was given up is tried again: it may be what was mended.
      const isKept = known !== undefined && known.life.call.kind !== 'given up';
      this.#entries.set(key, isKept ? known : { request, life, cancel: () => undefined });
    }
    for (const [key, { cancel }] of before) if (!this.#entries.has(key)) cancel();
    this.#look();
  }

  /** Which identities this workload has now. Whoever uses the tokens looks at them anew by himself. */
  adopt(context: X509Context): void {
    this.#context = context;
    for (const entry of this.#entries.values())
      this.#advance(entry, afterIdentified(entry.life, subjectOf(entry.request, context)), 'it is not this workload any more');
    this.#look();
  }

  get(request: TokenRequest): TokenState {
    const life = this.#entries.get(tokenKey(request))?.life;
    if (life === undefined) return NONE;
    return { token: servedToken(life, this.#options.clock.now()), pending: isPending(life) };
  }

  /** Somebody wants it. It is asked for if it is time. */
  want(request: TokenRequest): void {
    const entry = this.#entries.get(tokenKey(request));
    if (entry === undefined || entry.life.wanted) return;
    entry.life = afterWanted(entry.life);
    this.#look();
  }

  stop(): void {
    this.#stopped = true;
    this.#stopTimer();
    for (const { cancel } of this.#entries.values()) cancel();
  }

  /** Opens the calls that are due, and waits for what comes next. */
  #look(): void {
    this.#stopTimer();
    if (this.#stopped) return;
    const { clock } = this.#options;
    const now = clock.now();
    for (const entry of this.#entries.values()) if (isCallDue(entry.life, now)) this.#open(entry);
    const next = Math.min(...[...this.#entries.values()].map(({ life }) => nextLook(life)));
    if (next === Number.POSITIVE_INFINITY) return;
    this.#stopTimer = clock.after(Math.max(1, Math.min(next - now, LOOK_MS)), () => this.#passed());
  }

  #passed(): void {
    const { clock, onChange } = this.#options;
    let changed = false;
    for (const entry of this.#entries.values()) {
      const { life } = entry;
      this.#advance(entry, afterTime(life, clock.now()), 'it has expired, and no newer one came');
      changed ||= entry.life.token !== life.token;
    }
    this.#look();
    if (changed) onChange('time');
  }

  #open(entry: Entry): void {
    const { fetch, clock } = this.#options;
    const { audience } = entry.request;
    const number = ++this.#calls;
    entry.life = afterOpened(entry.life, number);
    let answer: JWTSVIDResponse | undefined;
    const close = fetch({ audience, spiffe_id: entry.life.subject ?? '' })({
      message(response) {
        answer = response;
      },
      end: (code, details) => {
        stopWatchdog();
        if (code === status.OK && answer !== undefined) void this.#answered(entry, number, answer);
        else this.#failed(entry, number, code, details);
      },
    });
    const stopWatchdog = clock.after(CALL_TIMEOUT_MS, () => {
      close();
      this.#failed(entry, number, status.DEADLINE_EXCEEDED, `no answer for ${CALL_TIMEOUT_MS / 1000} s`);
    });
    entry.cancel = () => {
      stopWatchdog();
      close();
    };
  }

  async #answered(entry: Entry, number: number, { svids }: JWTSVIDResponse): Promise<void> {
    const { events, clock, random, onChange } = this.#options;
    const { checkJwtSvid } = await import('../spiffe/jwt/jwt-svid.ts');
    const { subject, token: before } = entry.life;
    if (this.#stopped || subject === undefined || !isOpen(entry.life, number)) return;
    const { audience } = entry.request;
    const message = nextMessageNumber();
    events({ type: 'message_received', message, method: 'FetchJWTSVID' });
    const now = clock.now();
    let token: Token;
    try {
      const value = svids.find(({ spiffe_id }) => spiffe_id === subject)?.svid;
      if (value === undefined) throw new Error(`none of the ${svids.length} tokens that came is of ${subject}`);
      const { id, expiresAt, issuedAt } = checkJwtSvid(value, { id: subject, audience }, now);
      token = { id, value, expiresAt, begunAt: issuedAt ?? now };
    } catch (error) {
      const reason = messageOf(error);
      this.#fail(entry, number, { reason, withdraw: false, denied: false, final: false }, 'INVALID');
      events({ type: 'message_handled', message });
      return;
    }
    entry.life = afterReceived(entry.life, number, token, { now, random: random() });
    const type = before === undefined ? 'token_received' : 'token_rotated';
    events({ type, message, id: token.id, audience, notAfter: token.expiresAt });
    onChange('workload_api');
    events({ type: 'message_handled', message });
    this.#look();
  }

  #failed(entry: Entry, number: number, code: status, details: string): void {
    if (this.#stopped || !isOpen(entry.life, number)) return;
    const { onChange, onPermissionDenied } = this.#options;
    const before = entry.life;
    // An answer without a message is none.
    const verdict = judge(code === status.OK ? status.UNKNOWN : code);
    const meaning = code === status.UNIMPLEMENTED ? UNIMPLEMENTED : verdict.meaning;
    const denied = verdict.identities === 'withdraw';
    const failure = {
      reason: `${meaning} (${status[code]}: ${details})`,
      withdraw: denied && onPermissionDenied() === 'withdraw',
      denied,
      final: verdict.next === 'stop',
    };
    this.#fail(entry, number, failure, status[code]);
    // Who waits is told, too: that there is nothing to wait for.
    const { token } = entry.life;
    if (token !== before.token || isPending(entry.life) !== isPending(before)) onChange('workload_api');
  }

  /** Told once for as long as the reason is the same. */
  #fail(entry: Entry, number: number, failure: Parameters<typeof afterFailed>[2], code: string): void {
    const { events, clock, random } = this.#options;
    const { problem, subject } = entry.life;
    const { audience } = entry.request;
    const next = afterFailed(entry.life, number, failure, { now: clock.now(), random: random() });
    if (subject !== undefined && problem !== failure.reason)
      events({ type: 'token_failed', id: subject, audience, code, reason: failure.reason, retried: !failure.final });
    this.#advance(entry, next, failure.reason);
    this.#look();
  }

  /** @param reason why a token that is gone then is gone */
  #advance(entry: Entry, next: TokenLife, reason: string): void {
    const { life } = entry;
    entry.life = next;
    if (life.call.kind === 'open' && next.call.kind !== 'open') entry.cancel();
    if (life.token === undefined || next.token !== undefined) return;
    const { audience } = entry.request;
    this.#options.events({ type: 'token_withdrawn', id: life.token.id, audience, reason });
  }
}
