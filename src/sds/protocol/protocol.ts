/** What state of the world and delta have in common, so that one stream class can bind either to gRPC. */
import type { DeltaDiscoveryRequest, DiscoveryRequest } from '../../gen/messages.ts';
import type { Secret } from '../../secrets/secret.ts';
import type { Frame } from '../../wire/frame.ts';
import { decode } from '../../wire/wire.ts';
import { type Carried, maxUnanswered } from './backlog.ts';
import * as delta from './delta.ts';
import { withShortNames } from './long-name.ts';
import { type AccessChange, afterAccessChange, type NameStates, type ReceiveOptions, withoutOvertaken } from './name-state.ts';
import type { Shown } from './rejections.ts';
import { encodeDelta, encodeSotw } from './response.ts';
import * as sotw from './sotw.ts';
import { INITIAL_SOTW_STATE, type SotwResponse, type SotwState, type Subscription } from './sotw-state.ts';
import type { SecretsView } from './view.ts';

export interface Sent {
  readonly nonce: string;
  readonly secrets: readonly Secret[];
  readonly removed?: readonly string[];
}

/** What is kept of a response until its answer. */
export interface Unanswered extends Omit<Sent, 'secrets'> {
  readonly secrets: readonly Carried[];
}

export interface Received<State> {
  readonly state: State;
  /** The response that the request accepts or rejects. */
  readonly answered?: Unanswered;
  /** The secret that caused the rejection, when that is known. */
  readonly culprit?: Carried;
  /** What the request asks for, when that is new. */
  readonly subscription?: Subscription;
}

export type RequestMessage = DiscoveryRequest | DeltaDiscoveryRequest;

export interface Protocol<Message extends RequestMessage, State, Response extends Sent> {
  readonly method: 'sotw' | 'delta';
  readonly initial: State;
  /** How many names the stream would have with this request. */
  names(state: State, message: Message): number;
  /** Whether a first request shows that this Envoy had secrets from an earlier stream. */
  resumes(message: Message): boolean;
  /** What the Envoy would show on its next stream, by its newest request; for its first request, what it shows on this one. */
  shown(message: Message, states: NameStates): Shown;
  receive(state: State, message: Message, options: ReceiveOptions): Received<State>;
  /** The response that is due; undefined also while too many have no answer. */
  next(state: State, view: SecretsView): { readonly state: State; readonly response: Response } | undefined;
  /** The same, however many have no answer. */
  due(state: State, view: SecretsView): { readonly state: State; readonly response: Response } | undefined;
  /** Drops the content of secrets that a newer one overtook before they were answered: for a client that is too far behind. */
  withoutOvertaken(state: State): State;
  /** After what the peer may have changed: see `afterAccessChange`. Responses without an answer keep no content of what it may not have. */
  accessChanged(state: State, change: AccessChange): State;
  heldNames(state: State, view: SecretsView): readonly string[];
  unanswered(state: State): Iterable<Unanswered>;
  /** How many responses have no answer. */
  unansweredCount(state: State): number;
  /** Of the names that were asked for or sent. */
  states(state: State): NameStates;
  /** @throws MalformedMessage */
  decode(bytes: Buffer): Message;
  encode(response: Response): Frame;
}

/** For a client that answers late, overtaken content (as a rule private keys) is dropped once in so many responses. */
const RESPONSES_WITH_CONTENT = 32;

function nextOf<State, Response>(
  {
    states,
    unansweredCount,
    withoutOvertaken,
  }: Pick<Protocol<never, State, never>, 'states' | 'unansweredCount' | 'withoutOvertaken'>,
  next: (state: State, view: SecretsView) => { readonly state: State; readonly response: Response } | undefined,
  state: State,
  view: SecretsView,
): { readonly state: State; readonly response: Response } | undefined {
  const step = unansweredCount(state) < maxUnanswered(states(state).size) ? next(state, view) : undefined;
  if (step === undefined || unansweredCount(step.state) % RESPONSES_WITH_CONTENT > 0) return step;
  return { ...step, state: withoutOvertaken(step.state) };
}

export const SOTW: Protocol<DiscoveryRequest, SotwState, SotwResponse> = {
  method: 'sotw',
  initial: INITIAL_SOTW_STATE,
  names: (_, { resource_names }) => resource_names.length,
  resumes: ({ version_info }) => version_info !== '',
  // One for all names: that of the response that it accepted last.
  shown:
    ({ version_info }) =>
    () =>
      version_info,
  receive(state, { resource_names, response_nonce, error_detail }, options) {
    const request = { names: resource_names, nonce: response_nonce, rejected: error_detail !== null };
    const step = sotw.receive(state, request, options);
    const { subscription } = step.state;
    return subscription === state.subscription ? step : { ...step, subscription };
  },
  next: (state, view) => nextOf(SOTW, sotw.next, state, view),
  due: sotw.next,
  withoutOvertaken: (state) => ({ ...state, unanswered: withoutOvertaken(state.unanswered, state.names) }),
  accessChanged: (state, change) => SOTW.withoutOvertaken({ ...state, names: afterAccessChange(state.names, change) }),
  heldNames: sotw.heldNames,
  unanswered: ({ unanswered }) => unanswered,
  unansweredCount: ({ unanswered }) => unanswered.length,
  states: ({ names }) => names,
  decode: (bytes) => withShortNames(decode('envoy.service.discovery.v3.DiscoveryRequest', bytes)),
  encode: encodeSotw,
};

export const DELTA: Protocol<DeltaDiscoveryRequest, delta.DeltaState, delta.DeltaResponse> = {
  method: 'delta',
  initial: delta.INITIAL_DELTA_STATE,
  names({ named }, { resource_names_subscribe, resource_names_unsubscribe }) {
    const gone = new Set(resource_names_unsubscribe);
    return new Set([...[...named].filter((name) => !gone.has(name)), ...resource_names_subscribe]).size;
  },
  resumes: ({ initial_resource_versions }) => Object.keys(initial_resource_versions).length > 0,
  shown: ({ initial_resource_versions: initial }, states) => {
    return (name) => states.get(name)?.shown ?? (Object.hasOwn(initial, name) ? initial[name] : undefined);
  },
  receive(state, message, options) {
    const request = {
      subscribe: message.resource_names_subscribe,
      unsubscribe: message.resource_names_unsubscribe,
      initialVersions: message.initial_resource_versions,
      nonce: message.response_nonce,
      rejected: message.error_detail !== null,
    };
    const step = delta.receive(state, request, options);
    if (!state.everything && step.state.everything) return { ...step, subscription: { kind: 'everything' } };
    return request.subscribe.length === 0 ? step : { ...step, subscription: { kind: 'names', names: request.subscribe } };
  },
  next: (state, view) => nextOf(DELTA, delta.next, state, view),
  due: delta.next,
  withoutOvertaken(state) {
    const responses = withoutOvertaken(state.unanswered.values(), state.names);
    return { ...state, unanswered: new Map(responses.map((response) => [response.nonce, response])) };
  },
  accessChanged: (state, change) => DELTA.withoutOvertaken({ ...state, names: afterAccessChange(state.names, change) }),
  heldNames: delta.heldNames,
  unanswered: ({ unanswered }) => unanswered.values(),
  unansweredCount: ({ unanswered }) => unanswered.size,
  states: ({ names }) => names,
  decode: (bytes) => withShortNames(decode('envoy.service.discovery.v3.DeltaDiscoveryRequest', bytes)),
  encode: encodeDelta,
};
