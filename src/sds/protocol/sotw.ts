/**
 * State of the world (StreamSecrets) as a pure state machine: one stream's subscription, what was sent on it and what became of it.
 * xDS protocol, "ACK/NACK and resource type instance version"; what Envoy makes of it is said beside each rule.
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
import { culpritOf, judge } from './sotw-answer.ts';
import type { SotwReceived, SotwRequest, SotwResponse, SotwState, Subscription } from './sotw-state.ts';
import type { SecretsView } from './view.ts';

/**
 * Takes a request in. What is to be sent then, `next` says.
 *
 * A request whose nonce is not that of the newest response, while that one is unanswered, is stale: its names are not taken (xDS protocol,
 * "Resource updates"). Its client will answer the newest response, and says with that what it wants by then. So does an Envoy that wants
 * other names while the first response is on its way: such a request has no nonce. Once the newest response is answered no list comes by
 * itself any more, and names count whatever the nonce: with unified mux Envoy says after a NACK the nonce of the last response that it
 * took, or none.
 *
 * The answer to an older response still is the answer to that one: Envoy has applied it, or has not.
 */
export function receive(state: SotwState, request: SotwRequest, options: ReceiveOptions): SotwReceived {
  const newest = state.unanswered.at(-1);
  const isStale = newest !== undefined && newest.nonce !== request.nonce;
  const subscription = isStale ? state.subscription : subscribe(state, request.names, options);
  const answered = state.unanswered.find(({ nonce }) => nonce === request.nonce);
  const culprit = answered !== undefined && request.rejected ? culpritOf(answered, state) : undefined;
  const judged = answered === undefined ? state : judge(state, answered, request, culprit);
  const recall: Recall = state.begun ? NO_RECALL : options.recall;
  const kept = subscription.kind === 'everything' ? judged.names : keep(judged.names, subscribedNames(subscription), recall);
  const next = { ...judged, begun: true, subscription, names: kept };
  const isMereAnswer = answered !== undefined && sameNames(subscribedNames(subscription), request.names);
  if (isStale && !isMereAnswer) {
    const patience = answered === undefined ? undefined : next.patience;
    return { state: { ...askingMeanwhile(next), patience }, ...(answered && { answered }), ...(culprit && { culprit }) };
  }
  if (answered !== undefined) return { state: next, answered, ...(culprit && { culprit }) };
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
 * Envoy's way, without unified mux, of asking for a name that it has already, for another listener: it says its last request again, without
 * the error if that was a NACK. Unanswered, that listener would wait for ever. The others ignore bytes they have.
 */
function isRepeated(state: SotwState, { nonce, rejected }: SotwRequest, subscription: Subscription): boolean {
  return !rejected && state.lastAnswered !== undefined && nonce === state.lastAnswered && subscription === state.subscription;
}

function owingAll(state: SotwState): SotwState {
  const names = new Map([...state.names].map(([name, nameState]) => [name, { ...nameState, owed: true } as const]));
  return { ...state, names, lastAnswered: undefined, patience: undefined };
}

/** A listener may have come with a stale request: what is on its way reaches it, unless Envoy rejects that before. */
function askingMeanwhile(state: SotwState): SotwState {
  const unanswered = state.unanswered.map((response) => ({ ...response, asked: response.secrets.map(({ name }) => name) }));
  return { ...state, unanswered };
}

/**
 * After a NACK of several changed secrets each of them is tried alone, beside the last good content of the others. Those of which there is
 * nothing good cannot be taken back, nor may they be missing: they are sent again together. Envoy comes a bit further each time, for it
 * passes over what it has seen, so that the good among them get through. An Envoy that still rejects them looks at them anew each time:
 * then they are tried without each other.
 */
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
  apart?: SotwResponse['apart'],
): { readonly state: SotwState; readonly response: SotwResponse } {
  const sequence = state.sequence + 1;
  const carried = new Set(secrets.map(({ name }) => name));
  const asked = [...carried].filter((name) => state.names.get(name)?.owed);
  const lacks = [...state.names].filter(([name, { sent }]) => sent !== undefined && !carried.has(name)).map(([name]) => name);
  const isSeen = ({ name, version }: Secret) => hasSeen(state.names.get(name) ?? {}, version);
  const unseen = secrets.filter((secret) => !isSeen(secret)).map(({ name }) => name);
  const response = { nonce: String(sequence), secrets, asked, unseen, lacks, ...(apart && { apart }) };
  const names = new Map(state.names);
  for (const secret of secrets) names.set(secret.name, afterSending(names.get(secret.name) ?? {}, secret, view));
  const unanswered = [...state.unanswered, response];
  return { state: { ...state, names, sequence, unanswered }, response };
}
