/**
 * State of the world (StreamSecrets) as a pure state machine: one stream's subscription, what was sent on it and what became of it.
 * xDS protocol, "ACK/NACK and resource type instance version"; what Envoy makes of it is said beside each rule.
 */
import type { Secret } from '../secrets/secret.ts';
import {
  afterAccept,
  afterDoubt,
  afterReject,
  afterSending,
  hasSeen,
  isDue,
  lastGood,
  mayHaveSeen,
  type NameState,
  type NameStates,
  type Recall,
  type ReceiveOptions,
  subscribed,
  wanted,
} from './name-state.ts';
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
  /** Names that were asked for just before. */
  readonly asked: readonly string[];
}

export interface SotwState {
  /** False until the first request. */
  readonly begun: boolean;
  readonly subscription: Subscription;
  readonly names: NameStates;
  /** Responses without an answer, oldest first. */
  readonly unanswered: readonly SotwResponse[];
  /** The nonce that was answered last, until it comes again. */
  readonly lastAnswered: string | undefined;
  /** How many responses were sent. */
  readonly sequence: number;
}

export interface SotwReceived {
  readonly state: SotwState;
  /** The response that the request accepts or rejects. */
  readonly answered?: SotwResponse;
  /** The one that is to blame for the rejection, when that is known. */
  readonly culprit?: Secret;
}

/** A client that never answers costs no more than this. Envoy answers each response, in order. */
const MAX_UNANSWERED = 16;

export const INITIAL_SOTW_STATE: SotwState = {
  begun: false,
  subscription: { kind: 'none' },
  names: new Map(),
  unanswered: [],
  lastAnswered: undefined,
  sequence: 0,
};

/** Takes a request in. What is to be sent then, `next` says. */
export function receive(state: SotwState, request: SotwRequest, options: ReceiveOptions): SotwReceived {
  const subscription = subscribe(state, request.names, options);
  const answered = state.unanswered.find(({ nonce }) => nonce === request.nonce);
  const changed = answered === undefined ? [] : changedIn(answered, state);
  const judged = answered === undefined ? state : judge(state, answered, changed, request.rejected);
  const recall: Recall = state.begun ? () => undefined : options.recall;
  const kept = subscription.kind === 'everything' ? judged.names : keep(judged.names, subscribedNames(subscription), recall);
  const next = { ...judged, begun: true, subscription, names: kept };
  if (answered !== undefined) {
    const culprit = request.rejected && changed.length === 1 ? changed[0] : undefined;
    return { state: next, answered, ...(culprit && { culprit }) };
  }
  return { state: isRepeated(state, request, subscription) ? owingAll(next) : next };
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
  const stateOf = (name: string): NameState => state.names.get(name) ?? {};
  const suspects = names.filter((name) => isSuspect(name, stateOf(name), view));
  if (suspects.length > 0 && state.unanswered.length > 0) return undefined;
  const due = names.filter((name) => isDue(name, stateOf(name), view));
  if (due.length === 0) return undefined;
  const contentOf = (fresh: readonly string[], other: (state: NameState) => Secret | undefined) =>
    names
      .map((name) => (fresh.includes(name) ? wanted(name, stateOf(name), view) : undefined) ?? other(stateOf(name)))
      .filter((secret) => secret !== undefined);
  if (suspects.length === 0) return sent(state, contentOf(due, lastGood), view);
  const tried = suspects.some((name) => needsReset(stateOf(name))) ? [] : suspects.slice(0, 1);
  return sent(
    state,
    contentOf(tried, ({ accepted }) => accepted),
    view,
  );
}

/** The names that are subscribed to, were never sent, and that there is nothing to send for. */
export function heldNames({ subscription, names }: SotwState, view: SecretsView): readonly string[] {
  return subscribedNames(subscription).filter((name) => names.get(name)?.sent === undefined && view.get(name) === undefined);
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}

/** The newest list counts, whatever its nonce: requests of one stream come in order. */
function subscribe(state: SotwState, names: readonly string[], { answerEmptyRequest }: ReceiveOptions): Subscription {
  const { subscription, begun } = state;
  if (names.length > 0) {
    const same = subscription.kind === 'names' && sameNames(subscription.names, names);
    return same ? subscription : { kind: 'names', names: [...new Set(names)] };
  }
  if (!begun) return answerEmptyRequest ? { kind: 'everything' } : { kind: 'none' };
  return subscription.kind === 'everything' ? subscription : { kind: 'none' };
}

/**
 * Envoy's way, without unified mux, of asking for a name that it has already, for another listener: it says its last request again, without
 * the error if that was a NACK. Unanswered, that listener would wait for ever. The others ignore bytes they have.
 */
function isRepeated(state: SotwState, { nonce, rejected }: SotwRequest, subscription: Subscription): boolean {
  return !rejected && state.lastAnswered !== undefined && nonce === state.lastAnswered && subscription === state.subscription;
}

function owingAll(state: SotwState): SotwState {
  const names = new Map([...state.names].map(([name, nameState]) => [name, { ...nameState, owed: true } as const]));
  return { ...state, names, lastAnswered: undefined };
}

/** An answer counts for the response that its nonce names, also when newer ones are on their way. */
function judge(state: SotwState, answered: SotwResponse, changed: readonly Secret[], rejected: boolean): SotwState {
  const names = new Map(state.names);
  for (const secret of answered.secrets) {
    const before = names.get(secret.name);
    if (before === undefined) continue;
    names.set(secret.name, rejected ? afterNack(before, secret, answered, changed) : afterAccept(before, secret));
  }
  return {
    ...state,
    names,
    unanswered: state.unanswered.slice(state.unanswered.indexOf(answered) + 1),
    lastAnswered: answered.nonce,
  };
}

/**
 * Of a rejected response Envoy may have applied a part: what it is not certain to have is sent again. A response of nothing but what it
 * took before teaches nothing, and is not repeated.
 */
function afterNack(before: NameState, secret: Secret, { asked }: SotwResponse, changed: readonly Secret[]): NameState {
  if (changed.length === 0) return { ...before, seen: [secret.version] };
  const isChanged = changed.includes(secret);
  if (isChanged && changed.length === 1) return afterReject(before, secret);
  const isOwed = asked.includes(secret.name) || !hasSeen(before, secret.version);
  return {
    ...afterDoubt(before, secret),
    ...(isChanged && { suspect: secret.version }),
    ...(isOwed && { owed: true }),
  };
}

/** What the response brought that is not known to be good. */
function changedIn({ secrets }: SotwResponse, { names }: SotwState): readonly Secret[] {
  return secrets.filter(({ name, version }) => {
    const before = names.get(name);
    return before !== undefined && before.accepted?.version !== version;
  });
}

/** After a NACK of several changed secrets each of them is tried alone, beside the last good content of the others. */
function isSuspect(name: string, state: NameState, view: SecretsView): boolean {
  return state.suspect !== undefined && state.suspect === wanted(name, state, view)?.version;
}

/** Envoy would acknowledge bytes that it has just seen: so first everything goes back to what is known to be good. */
function needsReset(state: NameState): boolean {
  return state.suspect !== undefined && state.accepted !== undefined && mayHaveSeen(state, state.suspect);
}

/** A name that is not asked for any more is forgotten, so that it is answered when it is asked for again. */
function keep(states: NameStates, names: readonly string[], recall: Recall): NameStates {
  if (states.size === names.length && names.every((name) => states.has(name))) return states;
  return new Map(names.map((name) => [name, states.get(name) ?? subscribed(name, recall)]));
}

/** What there is now, and what this stream got of it before. */
function everything({ names }: SotwState, view: SecretsView): readonly string[] {
  return [...new Set([...view.everything, ...names.keys()])];
}

function subscribedNames(subscription: Subscription): readonly string[] {
  return subscription.kind === 'names' ? subscription.names : [];
}

function sent(
  state: SotwState,
  secrets: readonly Secret[],
  view: SecretsView,
): { readonly state: SotwState; readonly response: SotwResponse } {
  const sequence = state.sequence + 1;
  const asked = secrets.map(({ name }) => name).filter((name) => state.names.get(name)?.owed);
  const response = { nonce: String(sequence), secrets, asked };
  const names = new Map(state.names);
  for (const secret of secrets) names.set(secret.name, afterSending(names.get(secret.name) ?? {}, secret, view));
  const unanswered = [...state.unanswered, response].slice(-MAX_UNANSWERED);
  return { state: { ...state, names, sequence, unanswered }, response };
}
