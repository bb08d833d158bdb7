/**
 * The life of one token as a pure state machine: whether it may be served, and when it must be fetched again. The caller passes the time and
 * random numbers.
 *
 * The token is fetched when a client wants it, renewed at half of its lifetime, and replaced at once when its subject changes. It is not
 * fetched or renewed while no client wants it.
 */

import type { Token } from '../spiffe/jwt/jwt-token.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { backoff } from './backoff.ts';

/** The state of the call that fetches the token. */
export type TokenCall =
  /** No call is open or planned. */
  | { readonly kind: 'none' }
  /** The call with this number is open. */
  | { readonly kind: 'open'; readonly number: number }
  /** The last call failed; the next one starts at `until`, in milliseconds since the epoch. */
  | { readonly kind: 'waiting'; readonly until: number }
  /** The Workload API answered with an error that a retry cannot fix. */
  | { readonly kind: 'given up' };

/** All that is known about one token. */
export interface TokenLife {
  /** Whether a client has wanted it since the newest token arrived. */
  readonly wanted: boolean;
  /** The SPIFFE ID that the token must have; undefined when this workload has no such identity. */
  readonly subject?: SpiffeId | undefined;
  readonly token?: Token | undefined;
  /** When the token must be renewed, in milliseconds since the epoch. */
  readonly refreshAt: number;
  readonly call: TokenCall;
  /** Consecutive failed calls. */
  readonly failures: number;
  /** Why the last call failed; undefined when it succeeded. */
  readonly problem?: string | undefined;
  /** The Workload API answered PermissionDenied. */
  readonly denied: boolean;
}

/** Why a call returned no usable token, and what follows from that. */
export interface TokenFailure {
  readonly reason: string;
  /** The current token must not be used any more. */
  readonly withdraw: boolean;
  /** The Workload API answered PermissionDenied. */
  readonly denied: boolean;
  /** A retry cannot help. */
  readonly final: boolean;
}

/** The current time in milliseconds since the epoch, and a random number in [0, 1). */
export interface Moment {
  readonly now: number;
  readonly random: number;
}

const NO_CALL: TokenCall = { kind: 'none' };

/** A token is renewed after this part of its lifetime plus a random spread, which keeps many sidecars from calling at the same time. SPIRE's agent renews at half. */
const REFRESH_AT = 0.5;
const REFRESH_SPREAD = 0.1;
/** The shortest time between two calls for a token, even if its lifetime is very short. */
const MIN_REFRESH_MS = 1_000;

/** No token yet, and no client wants one. */
export const INITIAL_TOKEN_LIFE: TokenLife = { wanted: false, refreshAt: 0, call: NO_CALL, failures: 0, denied: false };

/** A client wants the token. */
export function afterWanted(life: TokenLife): TokenLife {
  return life.wanted ? life : { ...life, wanted: true };
}

/** The subject is known or has changed. A change drops the token and the open call of the old subject. */
export function afterIdentified(life: TokenLife, subject: SpiffeId | undefined): TokenLife {
  return subject === life.subject ? life : { ...INITIAL_TOKEN_LIFE, wanted: life.wanted, subject };
}

/** A call was opened. */
export function afterOpened(life: TokenLife, number: number): TokenLife {
  return { ...life, call: { kind: 'open', number } };
}

/** A call returned a token. The answer is ignored when that call is not open any more. */
export function afterReceived(life: TokenLife, number: number, token: Token, moment: Moment): TokenLife {
  if (!isOpen(life, number) || token.id !== life.subject || token.expiresAt <= moment.now) return life;
  return { ...INITIAL_TOKEN_LIFE, subject: life.subject, token, refreshAt: refreshTime(token, moment) };
}

/** The call failed. The current token stays in use until it expires, unless it is withdrawn. */
export function afterFailed(life: TokenLife, number: number, failure: TokenFailure, { now, random }: Moment): TokenLife {
  if (!isOpen(life, number)) return life;
  const failures = life.failures + 1;
  return {
    ...life,
    failures,
    denied: failure.denied,
    problem: failure.reason,
    call: failure.final ? { kind: 'given up' } : { kind: 'waiting', until: now + backoff(failures, random) },
    ...(failure.withdraw && { token: undefined }),
  };
}

/** Time has passed: an expired token is dropped. */
export function afterTime(life: TokenLife, now: number): TokenLife {
  return life.token === undefined || now < life.token.expiresAt ? life : { ...life, token: undefined };
}

/** The token that may be served now; undefined when there is none. */
export function servedToken({ token, subject }: TokenLife, now: number): Token | undefined {
  return token !== undefined && token.id === subject && now < token.expiresAt ? token : undefined;
}

/** Whether there is no token now, but a call may still bring one. */
export function isPending({ token, subject, call, denied }: TokenLife): boolean {
  return token === undefined && subject !== undefined && !denied && call.kind !== 'given up';
}

/** Whether a call must be opened now. */
export function isCallDue({ wanted, subject, token, refreshAt, call }: TokenLife, now: number): boolean {
  if (!wanted || subject === undefined) return false;
  if (call.kind === 'waiting') return now >= call.until;
  return call.kind === 'none' && (token === undefined || now >= refreshAt);
}

/** When the state changes next without an event from outside, in milliseconds since the epoch; Infinity if never. */
export function nextLook({ wanted, subject, token, refreshAt, call }: TokenLife): number {
  const expiry = token?.expiresAt ?? Number.POSITIVE_INFINITY;
  if (!wanted || subject === undefined) return expiry;
  if (call.kind === 'waiting') return Math.min(expiry, call.until);
  return call.kind === 'none' && token !== undefined ? Math.min(expiry, refreshAt) : expiry;
}

/** Whether the call with this number is still open. */
export function isOpen({ call }: TokenLife, number: number): boolean {
  return call.kind === 'open' && call.number === number;
}

/** An agent may return a cached token that is already past its renewal time. It is renewed at half of its remaining lifetime. */
function refreshTime({ begunAt, expiresAt }: Token, { now, random }: Moment): number {
  const part = REFRESH_AT + REFRESH_SPREAD * random;
  const begin = Math.min(begunAt, now);
  const due = begin + (expiresAt - begin) * part;
  return Math.max(now + MIN_REFRESH_MS, due > now ? due : now + (expiresAt - now) * part);
}
