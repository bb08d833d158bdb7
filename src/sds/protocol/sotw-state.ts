/** One state-of-the-world stream as a value: what its client asked for, what was sent, and what has no answer yet. */
import type { Secret } from '../../secrets/secret.ts';
import type { Carried } from './backlog.ts';
import type { NameStates } from './name-state.ts';

export type Subscription =
  /** Nothing yet, or unsubscribed from all. */
  | { readonly kind: 'none' }
  | { readonly kind: 'names'; readonly names: readonly string[] }
  /** The first request named nothing: everything that the peer may have, as SPIRE's agent answers. */
  | { readonly kind: 'everything' };

export interface SotwRequest {
  readonly names: readonly string[];
  /** Of the response that this answers. It answers none when it is empty or from an earlier stream. */
  readonly nonce: string;
  /** A NACK. Envoy's version_info says nothing about it. */
  readonly rejected: boolean;
}

export interface SotwResponse {
  readonly nonce: string;
  readonly secrets: readonly Secret[];
  /** Names that some listener may get first with this response: they were asked for just before it, or since. */
  readonly asked: readonly string[];
  /** Names of which Envoy had not certainly seen this content when it was sent. */
  readonly unseen: readonly string[];
  /** Names that were sent before and are missing in it, because their only content was rejected. */
  readonly lacks: readonly string[];
  /** Set when it leaves out the names without good content, except the one that it tries. `last`: it tries the last of them. */
  readonly apart?: { readonly tried: string | undefined; readonly last: boolean };
}

/** What is kept of a response until its answer. */
export interface SotwUnanswered extends Omit<SotwResponse, 'secrets'> {
  readonly secrets: readonly Carried[];
}

export interface SotwState {
  /** False until the first request. */
  readonly begun: boolean;
  readonly subscription: Subscription;
  readonly names: NameStates;
  /** Responses without an answer, oldest first. */
  readonly unanswered: readonly SotwUnanswered[];
  /** The nonce that was answered last, until it comes again. */
  readonly lastAnswered: string | undefined;
  /** How often a response that was rejected without a known culprit is still repeated whole; below 0: not any more. Absent: none was. */
  readonly patience: number | undefined;
  /** How many responses were sent. */
  readonly sequence: number;
}

export interface SotwReceived {
  readonly state: SotwState;
  /** The response that the request accepts or rejects. */
  readonly answered?: SotwUnanswered;
  /** The secret that caused the rejection, when that is known. */
  readonly culprit?: Carried;
}

export const INITIAL_SOTW_STATE: SotwState = {
  begun: false,
  subscription: { kind: 'none' },
  names: new Map(),
  unanswered: [],
  lastAnswered: undefined,
  patience: undefined,
  sequence: 0,
};
