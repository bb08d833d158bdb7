/**
 * Streams in the same state take the same step. A state does not name its stream, so the next step is computed once: the step, its response
 * and the state after it are shared by all streams that reach it. Most streams ask for the same names and get the same updates, so a push is
 * not computed, and garbage not collected, for each of them.
 */
import { nameBytes } from './name-bytes.ts';
import { NO_RECALL } from './name-state.ts';
import type { Protocol, Received, RequestMessage, Sent } from './protocol.ts';
import type { SecretsView } from './view.ts';

/** States that are remembered at once; beyond that nothing is shared any more until `forget`. */
const MAX_STATES = 256;
/** Requests that are remembered at once, and how long one of them may be. */
const MAX_REQUESTS = 8;
const MAX_REQUEST_BYTES = 4_096;
/** What is remembered outlives its stream: of a state that has more than this in its names nothing is. */
const MAX_NAME_BYTES = 16_384;

interface Situation<State, Response> {
  readonly next: { readonly state: State; readonly response: Response } | undefined;
  readonly held: readonly string[];
}

/** A protocol that computes each step of another once, for all streams in the same state. */
export interface SharedSteps<Message extends RequestMessage, State, Response extends Sent>
  extends Protocol<Message, State, Response> {
  /** Forgets all states, and the secrets in them. */
  forget(): void;
}

/** @param protocol its steps must depend on their arguments only */
export function sharedSteps<Message extends RequestMessage, State, Response extends Sent>(
  protocol: Protocol<Message, State, Response>,
): SharedSteps<Message, State, Response> {
  const situations = new Map<SecretsView, Map<State, Situation<State, Response>>>();
  const answers = new Map<State, { readonly message: Message; readonly received: Received<State> }>();
  const requests: { readonly bytes: Buffer; readonly message: Message }[] = [];
  let oldest = 0;

  const isSmall = (state: State) => nameBytes(protocol.states(state)) <= MAX_NAME_BYTES;
  const situationOf = (state: State, view: SecretsView): Situation<State, Response> => {
    const known = situations.get(view) ?? new Map<State, Situation<State, Response>>();
    situations.set(view, known);
    const before = known.get(state);
    if (before !== undefined) return before;
    const situation = { next: protocol.next(state, view), held: protocol.heldNames(state, view) };
    if (known.size < MAX_STATES && isSmall(state)) known.set(state, situation);
    return situation;
  };
  return {
    ...protocol,
    next: (state, view) => situationOf(state, view).next,
    heldNames: (state, view) => situationOf(state, view).held,
    receive(state, message, options) {
      // The rest depends on one Envoy.
      if (options.recall !== NO_RECALL) return protocol.receive(state, message, options);
      const known = answers.get(state);
      if (known?.message === message) return known.received;
      const received = protocol.receive(state, message, options);
      const isShared = requests.some((known) => known.message === message);
      if (isShared && answers.size < MAX_STATES && isSmall(received.state)) answers.set(state, { message, received });
      return received;
    },
    decode(bytes) {
      for (const known of requests) if (known.bytes.equals(bytes)) return known.message;
      const message = protocol.decode(bytes);
      if (bytes.length > MAX_REQUEST_BYTES) return message;
      requests[oldest] = { bytes: copyOf(bytes), message };
      oldest = (oldest + 1) % MAX_REQUESTS;
      return message;
    },
    forget() {
      situations.clear();
      answers.clear();
    },
  };
}

/** With memory of its own: a part of Node's pool would keep 64 KB. */
function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}
