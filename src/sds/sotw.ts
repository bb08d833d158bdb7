/**
 * State of the world (StreamSecrets) as a pure state machine: one stream's subscription, what was sent on it and what became of it.
 * xDS protocol, "ACK/NACK and resource type instance version"; what Envoy makes of it is said beside each rule.
 */
import type { Secret } from '../secrets/secret.ts';
import type { SecretsView } from './view.ts';

export type Subscription =
  /** Nothing yet, or unsubscribed from all. */
  | { readonly kind: 'none' }
  | { readonly kind: 'names'; readonly names: readonly string[] }
  /** The first request named nothing: everything that the peer may have, as SPIRE's agent answers. */
  | { readonly kind: 'everything' };

export interface SotwRequest {
  readonly names: readonly string[];
  /** Of the response that this answers; empty, or from an earlier stream: it answers none. */
  readonly nonce: string;
  /** A NACK. Envoy's version_info says nothing about it. */
  readonly rejected: boolean;
}

export interface SotwResponse {
  readonly nonce: string;
  readonly secrets: readonly Secret[];
}

/** What happened to one subscribed name on this stream. */
interface NameState {
  /** The last that was sent: Envoy has it, or has rejected it. */
  readonly sent?: Secret;
  /** The last that was accepted. */
  readonly accepted?: Secret;
  /** The version that was rejected: Envoy would acknowledge the same bytes without applying them, so they are not sent again. */
  readonly rejected?: string;
}

export interface SotwState {
  /** False until the first request. */
  readonly begun: boolean;
  readonly subscription: Subscription;
  readonly names: ReadonlyMap<string, NameState>;
  /** Responses without an answer, oldest first. */
  readonly unanswered: readonly SotwResponse[];
  /** How many responses were sent. */
  readonly sequence: number;
}

export interface SotwOptions {
  /** Whether a first request without names subscribes to everything. */
  readonly answerEmptyRequest: boolean;
}

/** A client that never answers costs no more than this. Envoy answers each response, in order. */
const MAX_UNANSWERED = 16;

export const INITIAL_SOTW_STATE: SotwState = {
  begun: false,
  subscription: { kind: 'none' },
  names: new Map(),
  unanswered: [],
  sequence: 0,
};

/** Takes a request in. What is to be sent then, `next` says. */
export function receive(
  state: SotwState,
  request: SotwRequest,
  options: SotwOptions,
): { readonly state: SotwState /** The response that the request accepts or rejects. */; readonly answered?: SotwResponse } {
  const subscription = subscribe(state, request.names, options);
  const answered = state.unanswered.find(({ nonce }) => nonce === request.nonce);
  const judged = answered === undefined ? state : judge(state, answered, request.rejected);
  const names = subscription.kind === 'everything' ? judged.names : keep(judged.names, subscribedNames(subscription));
  return { state: { ...judged, begun: true, subscription, names }, ...(answered && { answered }) };
}

/**
 * The response that is due: some subscribed name has content that is neither what was sent last nor what was rejected. It carries every
 * subscribed name that there is something for, because Envoy's unified mux rejects a response that lacks a name it once got on the
 * stream. Never an empty one: Envoy acknowledges it and goes on waiting, so that "not found" is said by saying nothing.
 */
export function next(
  state: SotwState,
  view: SecretsView,
): { readonly state: SotwState; readonly response: SotwResponse } | undefined {
  const names = state.subscription.kind === 'everything' ? everything(state, view) : subscribedNames(state.subscription);
  const isDue = (name: string) => {
    const secret = wanted(name, state, view);
    return secret !== undefined && secret.version !== state.names.get(name)?.sent?.version;
  };
  if (!names.some(isDue)) return undefined;
  const secrets = names
    .map((name) => wanted(name, state, view) ?? lastGood(name, state))
    .filter((secret) => secret !== undefined);
  const sequence = state.sequence + 1;
  const response = { nonce: String(sequence), secrets };
  const sent = new Map(state.names);
  for (const secret of secrets) sent.set(secret.name, afterSending(sent.get(secret.name), secret, view));
  const unanswered = [...state.unanswered, response].slice(-MAX_UNANSWERED);
  return { state: { ...state, names: sent, sequence, unanswered }, response };
}

/** The names that are subscribed to, were never sent, and that there is nothing to send for. */
export function heldNames({ subscription, names }: SotwState, view: SecretsView): readonly string[] {
  return subscribedNames(subscription).filter((name) => names.get(name)?.sent === undefined && view.get(name) === undefined);
}

/** The newest list counts, whatever its nonce: requests of one stream come in order. */
function subscribe(state: SotwState, names: readonly string[], { answerEmptyRequest }: SotwOptions): Subscription {
  const { subscription, begun } = state;
  if (names.length > 0) {
    return subscription.kind === 'names' && sameNames(subscription.names, names)
      ? subscription
      : { kind: 'names', names: [...new Set(names)] };
  }
  if (!begun) return answerEmptyRequest ? { kind: 'everything' } : { kind: 'none' };
  return subscription.kind === 'everything' ? subscription : { kind: 'none' };
}

/** The same names in the same order. */
export function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}

/** An answer counts for the response that its nonce names, also when newer ones are on their way. */
function judge(state: SotwState, answered: SotwResponse, rejected: boolean): SotwState {
  const names = new Map(state.names);
  for (const secret of answered.secrets) {
    const before = names.get(secret.name);
    if (before === undefined) continue;
    if (!rejected) names.set(secret.name, { ...before, accepted: secret });
    else if (before.accepted?.version !== secret.version) names.set(secret.name, { ...before, rejected: secret.version });
  }
  return { ...state, names, unanswered: state.unanswered.slice(state.unanswered.indexOf(answered) + 1) };
}

/** A name that is not asked for any more is forgotten, so that it is answered when it is asked for again. */
function keep(states: SotwState['names'], names: readonly string[]): SotwState['names'] {
  if (states.size === names.length && names.every((name) => states.has(name))) return states;
  return new Map(names.map((name) => [name, states.get(name) ?? {}]));
}

/** What there is now, and what this stream got of it before. */
function everything({ names }: SotwState, view: SecretsView): readonly string[] {
  return [...new Set([...view.everything, ...names.keys()])];
}

function subscribedNames(subscription: Subscription): readonly string[] {
  return subscription.kind === 'names' ? subscription.names : [];
}

function wanted(name: string, state: SotwState, view: SecretsView): Secret | undefined {
  const secret = view.get(name);
  return secret?.version === state.names.get(name)?.rejected ? undefined : secret;
}

/** For a name that has nothing new to offer: what Envoy has of it. */
function lastGood(name: string, state: SotwState): Secret | undefined {
  const { accepted, sent, rejected } = state.names.get(name) ?? {};
  return accepted ?? (sent?.version === rejected ? undefined : sent);
}

/** A rejection is forgotten when there is other content: Envoy compares with the last bytes only. */
function afterSending(before: NameState | undefined, secret: Secret, view: SecretsView): NameState {
  const { accepted, rejected } = before ?? {};
  const stillRejected = rejected !== undefined && view.get(secret.name)?.version === rejected;
  return { sent: secret, ...(accepted && { accepted }), ...(stillRejected && { rejected }) };
}
