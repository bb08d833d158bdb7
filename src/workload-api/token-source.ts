/**
 * Fetches JWT-SVIDs of this workload (SPIFFE Workload API specification, section 6.2.1): when a client wants one, with one open call for each
 * token. token-life.ts decides when to fetch and renew. The first token loads `jose`.
 */
import { status } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import { messageOf } from '../error.ts';
import type { EventListener } from '../events.ts';
import type { JWTSVIDResponse } from '../gen/messages.ts';
import { subjectOf, type Token, type TokenRequest, type TokenState, tokenKey } from '../spiffe/jwt/jwt-token.ts';
import { EMPTY_CONTEXT, type X509Context } from '../spiffe/x509-context.ts';
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
import type { WorkloadApi } from './workload-api.ts';

/** The same as for the first message of a stream, see stream-watch.ts. */
const CALL_TIMEOUT_MS = 40_000;
/** How often the wall clock is read while something is due: timers stop while the machine sleeps. */
const LOOK_MS = 1_000;
const UNIMPLEMENTED = 'this Workload API issues no JWT-SVIDs';
const NONE: TokenState = { pending: false };

/** The dependencies of a `TokenSource`. */
export interface TokenSourceOptions {
  readonly api: Pick<WorkloadApi, 'fetchJwtSvid' | 'verdictOf'>;
  readonly clock: Clock;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Whether PermissionDenied withdraws the current token. */
  readonly onPermissionDenied: () => 'withdraw' | 'keep';
  readonly events: EventListener;
  /** Called when the answer of `get` has changed for at least one request. */
  readonly onChange: (cause: 'workload_api' | 'time') => void;
}

interface Entry {
  readonly request: TokenRequest;
  life: TokenLife;
  /** Cancels the open call. */
  cancel: () => void;
}

/** Holds one token for each configured request. */
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

  /** Sets the requests that clients can make. It does not call `onChange`. */
  configure(requests: readonly TokenRequest[]): void {
    const before = this.#entries;
    this.#entries = new Map();
    for (const request of requests) {
      const key = tokenKey(request);
      if (this.#entries.has(key)) continue;
      const life = afterIdentified(INITIAL_TOKEN_LIFE, subjectOf(request, this.#context));
      const known = before.get(key);
      // A request that was given up is tried again, because the new configuration may have fixed its cause.
      const isKept = known !== undefined && known.life.call.kind !== 'given up';
      this.#entries.set(key, isKept ? known : { request, life, cancel: () => undefined });
    }
    for (const [key, { cancel }] of before) if (!this.#entries.has(key)) cancel();
    this.#look();
  }

  /** Takes the identities that this workload has now. It does not call `onChange`. */
  adopt(context: X509Context): void {
    this.#context = context;
    for (const entry of this.#entries.values())
      this.#advance(entry, afterIdentified(entry.life, subjectOf(entry.request, context)), 'it is not this workload any more');
    this.#look();
  }

  /** The current token for a request. */
  get(request: TokenRequest): TokenState {
    const life = this.#entries.get(tokenKey(request))?.life;
    if (life === undefined) return NONE;
    return { token: servedToken(life, this.#options.clock.now()), pending: isPending(life) };
  }

  /** Says that a client wants the token. It is fetched if it is missing or due for renewal. */
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

  /** Opens the calls that are due, and sets the timer for the next one. */
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
    const { api, clock } = this.#options;
    const { audience } = entry.request;
    const number = ++this.#calls;
    entry.life = afterOpened(entry.life, number);
    let answer: JWTSVIDResponse | undefined;
    const close = api.fetchJwtSvid({ audience, spiffe_id: entry.life.subject ?? '' })({
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
    // OK without a message is not a valid answer.
    const verdict = this.#options.api.verdictOf(code === status.OK ? status.UNKNOWN : code);
    const meaning = code === status.UNIMPLEMENTED ? UNIMPLEMENTED : verdict.meaning;
    const denied = verdict.identities === 'withdraw';
    const failure = {
      reason: `${meaning} (${status[code]}: ${details})`,
      withdraw: denied && onPermissionDenied() === 'withdraw',
      denied,
      final: verdict.next === 'stop',
    };
    this.#fail(entry, number, failure, status[code]);
    // A client that waits for the token must also learn that none will come.
    const { token } = entry.life;
    if (token !== before.token || isPending(entry.life) !== isPending(before)) onChange('workload_api');
  }

  /** Reports the failure, but not again while the reason stays the same. */
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

  /** @param reason why the token was withdrawn, if `next` has none */
  #advance(entry: Entry, next: TokenLife, reason: string): void {
    const { life } = entry;
    entry.life = next;
    if (life.call.kind === 'open' && next.call.kind !== 'open') entry.cancel();
    if (life.token === undefined || next.token !== undefined) return;
    const { audience } = entry.request;
    this.#options.events({ type: 'token_withdrawn', id: life.token.id, audience, reason });
  }
}
