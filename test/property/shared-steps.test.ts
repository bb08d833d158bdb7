/** Whatever streams do beside each other, what they share changes nothing: each gets what it would get by itself. */

import { expect, test } from 'vitest';
import { NO_RECALL } from '../../src/sds/protocol/name-state.ts';
import { DELTA, type Protocol, type RequestMessage, type Sent, SOTW } from '../../src/sds/protocol/protocol.ts';
import { type SharedSteps, sharedSteps } from '../../src/sds/protocol/shared-steps.ts';
import type { SecretsView } from '../../src/sds/protocol/view.ts';
import { fc, runs } from '../support/properties.ts';
import { secret, view } from '../support/secrets/secrets.ts';

const STREAMS = 4;
const NAMES = ['a', 'b'];

type Action =
  | { readonly kind: 'change'; readonly versions: Readonly<Record<string, string>> }
  /** What the stream may be sent is sent. */
  | { readonly kind: 'deliver'; readonly stream: number }
  | { readonly kind: 'ask'; readonly stream: number; readonly names: readonly string[] }
  | { readonly kind: 'answer'; readonly stream: number; readonly accepts: boolean }
  /** As an Envoy that was here before; sometimes one of which it is known what it rejected. */
  | { readonly kind: 'reconnect'; readonly stream: number; readonly rejected: string | undefined };

const stream = fc.nat(STREAMS - 1);
const version = fc.constantFrom('1', '2', '3');
const kind = <K extends Action['kind']>(kind: K) => ({ kind: fc.constant(kind) });
const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ ...kind('change'), versions: fc.dictionary(fc.constantFrom(...NAMES), version) }) },
  { weight: 6, arbitrary: fc.record({ ...kind('deliver'), stream }) },
  { weight: 3, arbitrary: fc.record({ ...kind('ask'), stream, names: fc.subarray(NAMES) }) },
  { weight: 6, arbitrary: fc.record({ ...kind('answer'), stream, accepts: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ ...kind('reconnect'), stream, rejected: fc.option(version, { nil: undefined }) }) },
);

/** How requests of a protocol look. */
interface Requests<Message> {
  ask(names: readonly string[], shows: boolean): Message;
  answer(names: readonly string[], nonce: string, accepts: boolean): Message;
}

const NODE = { node: null, type_url: '' };
const detail = (accepts: boolean) => (accepts ? null : { code: 13, message: 'no' });
const sotw: Requests<Parameters<typeof SOTW.resumes>[0]> = {
  ask: (names, shows) => ({
    ...NODE,
    resource_names: [...names],
    version_info: shows ? '1' : '',
    response_nonce: '',
    error_detail: null,
  }),
  answer: (names, nonce, accepts) => ({
    ...NODE,
    resource_names: [...names],
    version_info: '1',
    response_nonce: nonce,
    error_detail: detail(accepts),
  }),
};
const PLAIN_DELTA = { ...NODE, resource_names_subscribe: [], resource_names_unsubscribe: [], initial_resource_versions: {} };
const delta: Requests<Parameters<typeof DELTA.resumes>[0]> = {
  ask: (names, shows) => ({
    ...PLAIN_DELTA,
    resource_names_subscribe: [...names],
    initial_resource_versions: shows ? { a: '1' } : {},
    response_nonce: '',
    error_detail: null,
  }),
  answer: (_, nonce, accepts) => ({ ...PLAIN_DELTA, response_nonce: nonce, error_detail: detail(accepts) }),
};

/** Not all streams see the same: what one gets of a name another may get in another form. */
function viewsOf(versions: Readonly<Record<string, string>>): readonly SecretsView[] {
  return [view(versions), view({ ...versions, b: 'other' })];
}

/** Some streams, and what was sent on each. */
class Streams<Message extends RequestMessage, State, Response extends Sent> {
  readonly states: State[];
  readonly sent: Response[][] = Array.from({ length: STREAMS }, () => []);
  readonly held: (readonly string[])[] = [];
  readonly #names: (readonly string[])[] = Array.from({ length: STREAMS }, () => []);
  readonly #answered: number[] = Array.from({ length: STREAMS }, () => 0);
  readonly #messages = new Map<string, Message>();
  readonly #protocol: Protocol<Message, State, Response>;
  readonly #requests: Requests<Message>;

  constructor(protocol: Protocol<Message, State, Response>, requests: Requests<Message>) {
    this.#protocol = protocol;
    this.#requests = requests;
    this.states = Array.from({ length: STREAMS }, () => protocol.initial);
  }

  run(action: Exclude<Action, { kind: 'change' }>, view: SecretsView): void {
    const { stream } = action;
    if (action.kind === 'deliver') {
      const step = this.#protocol.next(this.states[stream] as State, view);
      this.held.push(this.#protocol.heldNames(this.states[stream] as State, view));
      if (step === undefined) return;
      this.states[stream] = step.state;
      this.sent[stream]?.push(step.response);
    } else if (action.kind === 'ask') {
      this.#names[stream] = action.names;
      this.#receive(stream, this.#requests.ask(action.names, false));
    } else if (action.kind === 'answer') {
      const response = this.sent[stream]?.[this.#answered[stream] ?? 0];
      if (response === undefined) return;
      this.#answered[stream] = (this.#answered[stream] ?? 0) + 1;
      this.#receive(stream, this.#requests.answer(this.#names[stream] ?? [], response.nonce, action.accepts));
    } else {
      this.states[stream] = this.#protocol.initial;
      this.#answered[stream] = this.sent[stream]?.length ?? 0;
      this.#receive(stream, this.#requests.ask(this.#names[stream] ?? [], true), action.rejected);
    }
  }

  #receive(stream: number, message: Message, rejected?: string): void {
    const recall = rejected === undefined ? NO_RECALL : () => ({ rejected, accepted: secret('a', '1') });
    // As `decode` has it: equal requests are one.
    const known = this.#messages.get(JSON.stringify(message)) ?? message;
    this.#messages.set(JSON.stringify(message), known);
    this.states[stream] = this.#protocol.receive(this.states[stream] as State, known, {
      answerEmptyRequest: true,
      recall,
    }).state;
  }
}

function expectSame<Message extends RequestMessage, State, Response extends Sent>(
  protocol: Protocol<Message, State, Response>,
  requests: Requests<Message>,
): void {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60, size: 'max' }), (actions) => {
      const shared: SharedSteps<Message, State, Response> = sharedSteps(protocol);
      const together = new Streams(shared, requests);
      const alone = new Streams(protocol, requests);
      let views = viewsOf({ a: '1' });
      for (const action of actions) {
        if (action.kind === 'change') {
          views = viewsOf(action.versions);
          shared.forget();
        } else {
          together.run(action, views[action.stream % 2] as SecretsView);
          alone.run(action, views[action.stream % 2] as SecretsView);
        }
      }
      expect([together.sent, together.states, together.held]).toEqual([alone.sent, alone.states, alone.held]);
    }),
    runs(1_000),
  );
}

test('state of the world', () => expectSame(SOTW, sotw));

test('delta', () => expectSame(DELTA, delta));
