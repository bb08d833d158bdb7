/**
 * The life of one token as a pure state machine: what is known, whether it may be given to anybody, and when it is asked for again. Time and
 * chance come in from outside.
 *
 * It is asked for when somebody wants it, again at half of its life, and at once when it has to be of somebody else. While nobody wants it,
 * nobody asks for it.
 */

import type { Token } from '../spiffe/jwt/jwt-token.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';
import { backoff } from './backoff.ts';

export type TokenCall =
  | { readonly kind: 'none' }
  | { readonly kind: 'open'; readonly number: number }
  /** It failed, and is made again at that time. */
  | { readonly kind: 'waiting'; readonly until: number }
  /** What the Workload API said cannot be mended by asking again. */
  | { readonly kind: 'given up' };

export interface TokenLife {
  /** Whether anybody has wanted it since the newest came. */
  readonly wanted: boolean;
  /** Who it has to be of; undefined: this workload has no such identity. */
  readonly subject?: SpiffeId | undefined;
  readonly token?: Token | undefined;
  /** When the token is to be replaced, milliseconds since the epoch. */
  readonly refreshAt: number;
  readonly call: TokenCall;
  /** In a row. */
  readonly failures: number;
  /** Why the last call failed; undefined after one that did not. */
  readonly problem?: string | undefined;
  /** This workload was told that it may not have it. */
  readonly denied: boolean;
}

/** Why a call brought no token that can be used. */
export interface TokenFailure {
  readonly reason: string;
  /** What there is must not be used any more. */
  readonly withdraw: boolean;
  /** The Workload API has said that this workload may not have it. */
  readonly denied: boolean;
  /** It is no use to ask again. */
  readonly final: boolean;
}

/** When it happens: milliseconds since the epoch, and a number in [0, 1). */
export interface Moment {
  readonly now: number;
  readonly random: number;
}

const NO_CALL: TokenCall = { kind: 'none' };

/** A token is replaced when this part of its life is over, spread so that many sidecars do not come together. An agent replaces its own at half. */
const REFRESH_AT = 0.5;
const REFRESH_SPREAD = 0.1;
/** However short it lives. */
const MIN_REFRESH_MS = 1_000;

export const INITIAL_TOKEN_LIFE: TokenLife = { wanted: false, refreshAt: 0, call: NO_CALL, failures: 0, denied: false };

/** Somebody wants it. */
export function afterWanted(life: TokenLife): TokenLife {
  return life.wanted ? life : { ...life, wanted: true };
}

/** The Workload API has said which identities this workload has. A token of another is gone, and so is a call for one. */
export function afterIdentified(life: TokenLife, subject: SpiffeId | undefined): TokenLife {
  return subject === life.subject ? life : { ...INITIAL_TOKEN_LIFE, wanted: life.wanted, subject };
}

/** A call was opened. */
export function afterOpened(life: TokenLife, number: number): TokenLife {
  return { ...life, call: { kind: 'open', number } };
}

/** The answer of a call; of one that is over it counts for nothing. */
export function afterReceived(life: TokenLife, number: number, token: Token, moment: Moment): TokenLife {
  if (!isOpen(life, number) || token.id !== life.subject || token.expiresAt <= moment.now) return life;
  return { ...INITIAL_TOKEN_LIFE, subject: life.subject, token, refreshAt: refreshTime(token, moment) };
}

/** The call failed; what there is stays in use until it expires, unless it was withdrawn. */
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

/** Time has passed: what has expired is gone. */
export function afterTime(life: TokenLife, now: number): TokenLife {
  return life.token === undefined || now < life.token.expiresAt ? life : { ...life, token: undefined };
}

/** What may be given to somebody now. */
export function servedToken({ token, subject }: TokenLife, now: number): Token | undefined {
  return token !== undefined && token.id === subject && now < token.expiresAt ? token : undefined;
}

/** Whether who wants it may get one in a moment. */
export function isPending({ token, subject, call, denied }: TokenLife): boolean {
  return token === undefined && subject !== undefined && !denied && call.kind !== 'given up';
}

/** Whether a call is to be opened now. */
export function isCallDue({ wanted, subject, token, refreshAt, call }: TokenLife, now: number): boolean {
  if (!wanted || subject === undefined) return false;
  if (call.kind === 'waiting') return now >= call.until;
  return call.kind === 'none' && (token === undefined || now >= refreshAt);
}

/** When to look again, milliseconds since the epoch; Infinity: not by itself. */
export function nextLook({ wanted, subject, token, refreshAt, call }: TokenLife): number {
  const expiry = token?.expiresAt ?? Number.POSITIVE_INFINITY;
  if (!wanted || subject === undefined) return expiry;
  if (call.kind === 'waiting') return Math.min(expiry, call.until);
  return call.kind === 'none' && token !== undefined ? Math.min(expiry, refreshAt) : expiry;
}

export function isOpen({ call }: TokenLife, number: number): boolean {
  return call.kind === 'open' && call.number === number;
}

/** One that came at the end of its life, from an agent that keeps them, is replaced at half of what is left. */
function refreshTime({ begunAt, expiresAt }: Token, { now, random }: Moment): number {
  const part = REFRESH_AT + REFRESH_SPREAD * random;
  const begin = Math.min(begunAt, now);
  const due = begin + (expiresAt - begin) * part;
  return Math.max(now + MIN_REFRESH_MS, due > now ? due : now + (expiresAt - now) * part);
}
