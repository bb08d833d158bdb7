/**
 * Delta (DeltaSecrets) as a pure state machine, beside state of the world. xDS protocol, "Incremental xDS"; where Envoy differs, the rule
 * says so. One secret in each response, so that a rejection has one culprit.
 */
import type { Secret } from '../../secrets/secret.ts';
import { type Carried, maxUnanswered } from './backlog.ts';
import { isStandIn } from './long-name.ts';
import {
  afterAccept,
  afterReject,
  afterSending,
  isDue,
  isOfOtherKind,
  lastGood,
  type NameState,
  type NameStates,
  NO_RECALL,
  type Recall,
  type ReceiveOptions,
  subscribed,
  wanted,
} from './name-state.ts';
import type { SecretsView } from './view.ts';

export interface DeltaRequest {
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** By name, what the client has from an earlier stream; heeded in the first request. */
  readonly initialVersions: Readonly<Record<string, string>>;
  readonly nonce: string;
  /** A NACK. */
  readonly rejected: boolean;
}

export interface DeltaResponse {
  readonly nonce: string;
  /** One, or none in a response that removes. */
  readonly secrets: readonly Secret[];
  readonly removed: readonly string[];
}

/** What is kept of a response until its answer. */
export interface DeltaUnanswered extends Omit<DeltaResponse, 'secrets'> {
  readonly secrets: readonly Carried[];
}

export interface DeltaState {
  /** False until the first request. */
  readonly begun: boolean;
  /** A subscription to "*", or a first request that named nothing. */
  readonly everything: boolean;
  /** Names that were asked for one by one: they stay when "*" goes. */
  readonly named: ReadonlySet<string>;
  readonly names: NameStates;
  /** Responses without an answer, by nonce, oldest first. */
  readonly unanswered: ReadonlyMap<string, DeltaUnanswered>;
  /** How many responses were sent. */
  readonly sequence: number;
}

export interface DeltaReceived {
  readonly state: DeltaState;
  /** The response that the request accepts or rejects. */
  readonly answered?: DeltaUnanswered;
  /** The secret that caused the rejection. */
  readonly culprit?: Carried;
}

const WILDCARD = '*';
/** The name of a bundle. */
const TRUST_DOMAIN = /^spiffe:\/\/[^/]+$/;

export const INITIAL_DELTA_STATE: DeltaState = {
  begun: false,
  everything: false,
  named: new Set(),
  names: new Map(),
  unanswered: new Map(),
  sequence: 0,
};

/** The state after a request, whose subscriptions count whatever its nonce. `next` then says what is to be sent. */
export function receive(state: DeltaState, request: DeltaRequest, options: ReceiveOptions): DeltaReceived {
  const answered = state.unanswered.get(request.nonce);
  const known = answered === undefined ? state : afterAnswer(state, answered, request.rejected);
  const names = new Map(known.names);
  const named = new Set(state.named);
  for (const name of request.unsubscribe) {
    names.delete(name);
    named.delete(name);
  }
  const versions = state.begun ? {} : request.initialVersions;
  const recall: Recall = Object.keys(versions).length > 0 ? options.recall : NO_RECALL;
  for (const name of request.subscribe) {
    if (name === WILDCARD) continue;
    names.set(name, asked(name, names.get(name), versions, recall));
    named.add(name);
  }
  const subscribesToAll =
    request.subscribe.includes(WILDCARD) || (!state.begun && request.subscribe.length === 0 && options.answerEmptyRequest);
  const everything = subscribesToAll || (state.everything && !request.unsubscribe.includes(WILDCARD));
  for (const name of names.keys()) if (!everything && !named.has(name)) names.delete(name);
  const isCulprit = ({ name, version }: Carried) => known.names.get(name)?.rejected === version;
  const culprit = request.rejected ? answered?.secrets.find(isCulprit) : undefined;
  const next = { ...known, begun: true, everything, named, names };
  return { state: next, ...(answered && { answered }), ...(culprit && { culprit }) };
}

/**
 * The response that is due. Removals go first: a connection may be waiting for one. A name that never existed is removed only when it is
 * asked for on demand: a listener that waits for the name would otherwise open without it and reset its connections.
 */
export function next(
  state: DeltaState,
  view: SecretsView,
): { readonly state: DeltaState; readonly response: DeltaResponse } | undefined {
  const all = state.everything ? [...new Set([...view.everything, ...state.names.keys()])] : [...state.names.keys()];
  const stateOf = (name: string): NameState => state.names.get(name) ?? {};
  const removed = all.filter((name) => isGone(name, stateOf(name), view));
  if (removed.length > 0) {
    // Until it answers, the client would still say that it has what it had.
    const gone = ({ shown }: NameState): NameState => ({ removed: true, ...(shown !== undefined && { shown }) });
    return sent(state, { secrets: [], removed }, (names) => removed.map((name) => names.set(name, gone(stateOf(name)))));
  }
  const due = all.find((name) => isDue(name, stateOf(name), view));
  const secret = due === undefined ? undefined : (wanted(due, stateOf(due), view) ?? lastGood(stateOf(due)));
  if (secret === undefined) return undefined;
  const after = afterSending(stateOf(secret.name), secret, view);
  return sent(state, { secrets: [secret], removed: [] }, (names) => names.set(secret.name, after));
}

/** The names that are subscribed to and that there is nothing to send for: they were never sent, or stand for something else now. */
export function heldNames({ names }: DeltaState, view: SecretsView): readonly string[] {
  const isHeld = ([name, state]: [string, NameState]) => {
    const { sent, holds, removed } = state;
    const newest = view.get(name);
    return (!sent && !holds && !removed && newest === undefined) || isOfOtherKind(state, newest);
  };
  return [...names].filter(isHeld).map(([name]) => name);
}

/** A name that is subscribed to again is sent again although nothing is new: another listener waits for it. */
function asked(
  name: string,
  before: NameState | undefined,
  initialVersions: DeltaRequest['initialVersions'],
  recall: Recall,
): NameState {
  if (before !== undefined) {
    const { removed: _, ...rest } = before;
    return { ...rest, mustSend: true };
  }
  const holds = Object.hasOwn(initialVersions, name) ? initialVersions[name] : undefined;
  return holds === undefined ? subscribed(name, recall) : { ...recall(name), holds, shown: holds };
}

function afterAnswer(state: DeltaState, answered: DeltaUnanswered, rejected: boolean): DeltaState {
  const names = new Map(state.names);
  for (const secret of answered.secrets) {
    const before = names.get(secret.name);
    if (before !== undefined) names.set(secret.name, rejected ? afterReject(before, secret) : afterAccept(before, secret));
  }
  for (const name of answered.removed) {
    const { shown: _, ...before } = names.get(name) ?? {};
    if (names.has(name)) names.set(name, before);
  }
  // Answers come in order. A client that skips some will never send them.
  const isFull = state.unanswered.size >= maxUnanswered(names.size);
  const isOpen = ({ nonce }: DeltaUnanswered) => nonce !== answered.nonce && !(isFull && Number(nonce) < Number(answered.nonce));
  const unanswered = new Map([...state.unanswered].filter(([, response]) => isOpen(response)));
  return { ...state, names, unanswered };
}

/**
 * Whether to remove a name: a certificate or a token that was withdrawn, or a name on demand that has no secret. A bundle is never removed,
 * because Envoy would go on trusting it. Nor is a name that is too long: the client does not know the short name that stands for it here.
 */
function isGone(name: string, { sent, holds, removed }: NameState, view: SecretsView): boolean {
  if (removed || isStandIn(name) || !view.complete || view.get(name) !== undefined || view.pending(name)) return false;
  const wasThere =
    (sent !== undefined && sent.kind !== 'validation_context') || (holds !== undefined && !TRUST_DOMAIN.test(name));
  return wasThere || (sent === undefined && view.onDemand(name));
}

function sent(
  state: DeltaState,
  content: Omit<DeltaResponse, 'nonce'>,
  change: (names: Map<string, NameState>) => unknown,
): { readonly state: DeltaState; readonly response: DeltaResponse } {
  const sequence = state.sequence + 1;
  const response = { nonce: String(sequence), ...content };
  const names = new Map(state.names);
  change(names);
  const unanswered = new Map(state.unanswered).set(response.nonce, response);
  return { state: { ...state, names, sequence, unanswered }, response };
}
