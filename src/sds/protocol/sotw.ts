/**
 * State of the world (StreamSecrets) as a pure state machine: one stream's subscription, what was sent on it, and how Envoy answered.
 * xDS protocol, "ACK/NACK and resource type instance version"; where Envoy differs, the rule says so.
 */
import type { Secret } from '../../secrets/secret.ts';
import {
  afterSending,
  hasSeen,
  isDue,
  isOfOtherKind,
  lastGood,
  mayHaveSeen,
  type NameState,
  type NameStates,
  NO_RECALL,
  type Recall,
  type ReceiveOptions,
  standing,
  subscribed,
  wanted,
} from './name-state.ts';
import { afterAnswer, culpritOf } from './sotw-answer.ts';
import type { SotwReceived, SotwRequest, SotwResponse, SotwState, Subscription } from './sotw-state.ts';
import type { SecretsView } from './view.ts';

/**
 * The state after a request. `next` then says what is to be sent.
 *
 * A request whose nonce is not that of the newest response, while that one is unanswered, is stale: its names are not taken (xDS protocol,
 * "Resource updates"). Its client will still answer the newest response, and that answer lists the names that it wants then. The same is true for
 * an Envoy that wants other names while the first response is on its way: such a request has no nonce. Once the newest response is answered,
 * no further list will come by itself, so names count whatever the nonce: with unified mux Envoy sends after a NACK the nonce of the last
 * response that it accepted, or none.
 *
 * An answer to an older response counts for that response: Envoy has applied it, or has rejected it.
 */
export function receive(state: SotwState, request: SotwRequest, options: ReceiveOptions): SotwReceived {
  const newest = state.unanswered.at(-1);
  const isStale = newest !== undefined && newest.nonce !== request.nonce;
  const subscription = isStale ? state.subscription : subscribe(state, request.names, options);
  const answered = state.unanswered.find(({ nonce }) => nonce === request.nonce);
  const culprit = answered !== undefined && request.rejected ? culpritOf(answered, state) : undefined;
  const known = answered === undefined ? state : afterAnswer(state, answered, request, culprit);
  const recall: Recall = state.begun ? NO_RECALL : options.recall;
  const kept = subscription.kind === 'everything' ? known.names : keep(known.names, subscribedNames(subscription), recall);
  const next = { ...known, begun: true, subscription, names: kept };
  const isMereAnswer = answered !== undefined && sameNames(subscribedNames(subscription), request.names);
  if (isStale && !isMereAnswer) {
    const patience = answered === undefined ? undefined : next.patience;
    return { state: { ...askingMeanwhile(next), patience }, ...(answered && { answered }), ...(culprit && { culprit }) };
  }
  if (answered !== undefined) return { state: next, answered, ...(culprit && { culprit }) };
  return { state: isRepeated(state, request, subscription) ? resendAll(next) : next };
}

/**
 * The response that is due: some subscribed name has content that is neither what was sent last nor what was rejected. It carries every
 * subscribed name that has a secret, because Envoy's unified mux rejects a response that lacks a name it once got on the stream. A response
 * is never empty: Envoy would acknowledge it and go on waiting. There is no "not found": a name without a secret gets no response.
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
  const isNeverGood = (name: string) => stateOf(name).sent !== undefined && lastGood(stateOf(name)) === undefined;
  const neverGood = suspects.some(isNeverGood) ? names.filter(isNeverGood) : [];
  const isPatient = state.patience === undefined || state.patience >= 0;
  const tried = suspects.some((name) => needsReset(stateOf(name))) ? [] : suspects.slice(0, 1);
  const together = neverGood.length > 0 ? neverGood : tried;
  if (isPatient) return sent(state, contentOf(suspects.length > 0 ? together : due, standing), view);
  const [first] = tried;
  const last = suspects.every((name) => name === first);
  const content = contentOf(suspects.length > 0 ? tried : due, lastGood);
  return content.length === 0 ? undefined : sent(state, content, view, { tried: first, last });
}

/** The names that are subscribed to and that there is nothing to send for: they were never sent, or stand for something else now. */
export function heldNames({ subscription, names }: SotwState, view: SecretsView): readonly string[] {
  return subscribedNames(subscription).filter((name) => {
    const state = names.get(name) ?? {};
    const newest = view.get(name);
    return (state.sent === undefined && newest === undefined) || isOfOtherKind(state, newest);
  });
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}

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
 * Without unified mux, Envoy repeats its last request (without the error, if that was a NACK) when another listener needs a name that Envoy
 * has already. Without an answer that listener would wait for ever. The other listeners ignore bytes that they have.
 */
function isRepeated(state: SotwState, { nonce, rejected }: SotwRequest, subscription: Subscription): boolean {
  return !rejected && state.lastAnswered !== undefined && nonce === state.lastAnswered && subscription === state.subscription;
}

function resendAll(state: SotwState): SotwState {
  const names = new Map([...state.names].map(([name, nameState]) => [name, { ...nameState, mustSend: true } as const]));
  return { ...state, names, lastAnswered: undefined, patience: undefined };
}

/** A stale request may come from a new listener: the response on its way reaches that listener too, unless Envoy rejects it. */
function askingMeanwhile(state: SotwState): SotwState {
  const unanswered = state.unanswered.map((response) => ({ ...response, asked: response.secrets.map(({ name }) => name) }));
  return { ...state, unanswered };
}

/**
 * After a NACK of several changed secrets, each of them is tried alone, beside the last good content of the others. Secrets without any good
 * content cannot go back to it and must not be missing, so they are sent again together. Envoy gets further each time, because it skips what
 * it has seen: so the good ones get through. If Envoy still rejects them, it looks at all of them each time: then each is sent without the
 * others.
 */
function isSuspect(name: string, state: NameState, view: SecretsView): boolean {
  return state.suspect !== undefined && state.suspect === wanted(name, state, view)?.version;
}

/** Envoy would acknowledge bytes that it has just seen. So first everything goes back to content that is known to be good. */
function needsReset(state: NameState): boolean {
  return state.suspect !== undefined && state.accepted !== undefined && mayHaveSeen(state, state.suspect);
}

/** Forgets a name that is not subscribed to any more, so that a new subscription to it gets a response. */
function keep(states: NameStates, names: readonly string[], recall: Recall): NameStates {
  if (states.size === names.length && names.every((name) => states.has(name))) return states;
  return new Map(names.map((name) => [name, states.get(name) ?? subscribed(name, recall)]));
}

/** The names that exist now, and those that this stream got before. */
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
  apart?: SotwResponse['apart'],
): { readonly state: SotwState; readonly response: SotwResponse } {
  const sequence = state.sequence + 1;
  const carried = new Set(secrets.map(({ name }) => name));
  const asked = [...carried].filter((name) => state.names.get(name)?.mustSend);
  const lacks = [...state.names].filter(([name, { sent }]) => sent !== undefined && !carried.has(name)).map(([name]) => name);
  const isSeen = ({ name, version }: Secret) => hasSeen(state.names.get(name) ?? {}, version);
  const unseen = secrets.filter((secret) => !isSeen(secret)).map(({ name }) => name);
  const response = { nonce: String(sequence), secrets, asked, unseen, lacks, ...(apart && { apart }) };
  const names = new Map(state.names);
  for (const secret of secrets) names.set(secret.name, afterSending(names.get(secret.name) ?? {}, secret, view));
  const unanswered = [...state.unanswered, response];
  return { state: { ...state, names, sequence, unanswered }, response };
}
