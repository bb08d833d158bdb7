/**
 * One Envoy, the state machine of its stream, what is remembered of its NACKs, and secrets that change: everything that may happen between
 * them happens in `run`. Every response is held against the rules when it leaves.
 */

import type { Protocol, RequestMessage, Sent } from '../../../src/sds/protocol/protocol.ts';
import { Rejections } from '../../../src/sds/protocol/rejections.ts';
import type { SecretsView } from '../../../src/sds/protocol/view.ts';
import type { Secret } from '../../../src/secrets/secret.ts';
import { fc } from '../properties.ts';
import { secret } from '../secrets/secrets.ts';
import { type EnvoyModel, isBad, type Order } from './envoy-model.ts';
import { SdsRules } from './sds-rules.ts';

/** `bundle` is a validation context, `sni` is asked for on demand, the others are certificates. */
export const NAMES = ['a', 'b', 'c', 'bundle', 'sni'] as const;

export type Step =
  | { readonly kind: 'change'; readonly name: string; readonly version: string | undefined }
  /** Several at once. */
  | { readonly kind: 'changes'; readonly versions: readonly (readonly [name: string, version: string | undefined])[] }
  | { readonly kind: 'subscribe'; readonly names: readonly string[] }
  | { readonly kind: 'ask again'; readonly name: string }
  /** Envoy reads and answers the oldest response that it has not answered. */
  | { readonly kind: 'answer'; readonly order: Order }
  /** Envoy reads slowly: after one more response nothing leaves until the stream drains. */
  | { readonly kind: 'stall' }
  | { readonly kind: 'drain' }
  | { readonly kind: 'reconnect' }
  /** Another Envoy of the same node id, which has nothing. */
  | { readonly kind: 'replace' };

const name = fc.constantFrom(...NAMES);
const order = fc.shuffledSubarray([...NAMES], { minLength: NAMES.length });
export const GOOD = ['1', '2', '3'] as const;
export const BAD = ['bad1', 'bad2'] as const;

interface Choice {
  /** What a subscription is changed to. */
  readonly names: fc.Arbitrary<readonly string[]>;
  /** What the newest content of a name may become; undefined: it is withdrawn. */
  readonly versions: readonly (string | undefined)[];
  /** How often each kind of step comes. */
  readonly weights: Partial<typeof WEIGHTS>;
}

const WEIGHTS = { change: 5, changes: 2, answer: 8, subscribe: 2, 'ask again': 1, stall: 1, drain: 1, reconnect: 1, replace: 1 };

/** What happens. */
export function steps(choice: Partial<Choice> = {}): fc.Arbitrary<Step[]> {
  const { names = fc.subarray([...NAMES]), versions = [...GOOD, ...BAD, undefined] } = choice;
  const weights = { ...WEIGHTS, ...choice.weights };
  const kind = <K extends Step['kind']>(kind: K) => ({ kind: fc.constant(kind) });
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: weights.change, arbitrary: fc.record({ ...kind('change'), name, version: fc.constantFrom(...versions) }) },
    {
      weight: weights.changes,
      arbitrary: fc.record({
        ...kind('changes'),
        versions: fc.array(fc.tuple(name, fc.constantFrom(...versions)), { maxLength: 5 }),
      }),
    },
    { weight: weights.answer, arbitrary: fc.record({ ...kind('answer'), order }) },
    { weight: weights.subscribe, arbitrary: fc.record({ ...kind('subscribe'), names }) },
    { weight: weights['ask again'], arbitrary: fc.record({ ...kind('ask again'), name }) },
    { weight: weights.stall, arbitrary: fc.record(kind('stall')) },
    { weight: weights.drain, arbitrary: fc.record(kind('drain')) },
    { weight: weights.reconnect, arbitrary: fc.record(kind('reconnect')) },
    { weight: weights.replace, arbitrary: fc.record(kind('replace')) },
  );
  return fc.array(step, { maxLength: 60, size: 'max' });
}

const NODE = 'node';
/** No rotation of five secrets, whatever is wrong with them, takes more responses. */
const MAX_AFTER_QUIET = 40;

export class World<Message extends RequestMessage, State extends { readonly begun: boolean }, Response extends Sent> {
  readonly sent: Response[] = [];
  readonly #protocol: Protocol<Message, State, Response>;
  readonly #newEnvoy: () => EnvoyModel<Message, Response>;
  readonly #isolates: (state: State) => boolean;
  readonly #rejections = new Rejections();
  readonly #versions = new Map<string, string>();
  #rules = new SdsRules();
  #complete = false;
  #envoy: EnvoyModel<Message, Response>;
  #state: State;
  #inbox: Response[] = [];
  #stalled = false;
  #writing = false;

  /** @param isolates whether the machine looks for the culprit of a NACK, and so says things again */
  constructor(
    protocol: Protocol<Message, State, Response>,
    newEnvoy: () => EnvoyModel<Message, Response>,
    isolates: (state: State) => boolean = () => false,
  ) {
    this.#protocol = protocol;
    this.#newEnvoy = newEnvoy;
    this.#isolates = isolates;
    this.#envoy = newEnvoy();
    this.#state = protocol.initial;
  }

  run(step: Step): void {
    switch (step.kind) {
      case 'change':
        this.#change(step.name, step.version);
        break;
      case 'changes':
        for (const [name, version] of step.versions) this.#change(name, version);
        break;
      case 'subscribe':
        this.#subscribe(step.names);
        break;
      case 'ask again':
        this.#askAgain(step.name);
        break;
      case 'answer':
        this.#answer(step.order);
        break;
      case 'stall':
        this.#stalled = true;
        break;
      case 'drain':
        this.#stalled = false;
        this.#writing = false;
        break;
      case 'reconnect':
        this.#connect();
        break;
      case 'replace': {
        const { names } = this.#envoy;
        this.#envoy = this.#newEnvoy();
        this.#rules = new SdsRules();
        this.#state = this.#protocol.initial;
        this.#inbox = [];
        this.#subscribe(names);
      }
    }
    this.#deliver();
  }

  /** Lets Envoy answer everything. @throws when that does not end */
  settle(): void {
    this.run({ kind: 'drain' });
    const before = this.sent.length;
    while (this.#inbox.length > 0) {
      this.run({ kind: 'answer', order: NAMES });
      if (this.sent.length - before > MAX_AFTER_QUIET) throw new Error('the responses do not end');
    }
  }

  /** The names whose newest content is good and that not every listener has. */
  get missing(): readonly string[] {
    return this.#envoy.names.filter((name) => {
      const newest = this.#versions.get(name);
      return newest !== undefined && !isBad(newest) && !this.#envoy.uses(name, newest);
    });
  }

  get #view(): SecretsView {
    return {
      complete: this.#complete,
      pending: () => false,
      everything: [...this.#versions.keys()],
      onDemand: (name) => name === 'sni',
      get: (name) => this.#secret(name),
    };
  }

  #secret(name: string): Secret | undefined {
    const version = this.#versions.get(name);
    return version === undefined
      ? undefined
      : { ...secret(name, version), kind: name === 'bundle' ? 'validation_context' : 'tls_certificate' };
  }

  #change(name: string, version: string | undefined): void {
    this.#complete = true;
    if (version === undefined) this.#versions.delete(name);
    else this.#versions.set(name, version);
    this.#rules.changed(name, version);
    this.#rejections.retain({
      complete: true,
      pending: () => false,
      ids: [],
      names: [],
      contentOf: () => undefined,
      denial: () => undefined,
      describe: () => undefined,
      get: (name) => this.#secret(name),
    });
  }

  #subscribe(names: readonly string[]): void {
    const before = this.#envoy.names;
    if (before.length === names.length && names.every((name) => before.includes(name))) return;
    const message = this.#envoy.subscribe(names);
    if (!this.#state.begun) {
      this.#connect();
    } else {
      if (this.#protocol.method === 'delta') this.#rules.subscribed(names);
      this.#receive(message);
    }
  }

  #askAgain(name: string): void {
    if (!this.#state.begun || !this.#envoy.names.includes(name)) return;
    const { names } = this.#envoy;
    const message = this.#envoy.askAgain(name);
    if (this.#protocol.method === 'sotw') {
      this.#rules.askedAgain();
    } else {
      this.#rules.subscribed(names.filter((other) => other !== name));
      this.#rules.subscribed(names);
    }
    this.#receive(message);
  }

  /** Envoy never begins a stream before it wants something. */
  #connect(): void {
    this.#state = this.#protocol.initial;
    this.#inbox = [];
    this.#stalled = false;
    this.#writing = false;
    if (this.#envoy.names.length === 0) return;
    const message = this.#envoy.connect();
    const versions = 'initial_resource_versions' in message ? message.initial_resource_versions : {};
    this.#rules.connected(this.#envoy.names, versions, this.#protocol.resumes(message));
    this.#receive(message);
  }

  #answer(order: Order): void {
    const response = this.#inbox.shift();
    if (response === undefined) return;
    const message = this.#envoy.answer(response, order);
    if (message.error_detail === null) this.#rules.accepted(response, this.#envoy.names);
    else this.#rules.doubted(response);
    this.#receive(message);
  }

  #receive(message: Message): void {
    const shown = this.#protocol.shown(message, this.#protocol.states(this.#state));
    const recall = this.#protocol.resumes(message) ? this.#rejections.recall([NODE], shown) : () => undefined;
    const { state, answered, culprit } = this.#protocol.receive(this.#state, message, { answerEmptyRequest: true, recall });
    this.#state = state;
    // Which requests count is said where the state machine is tested: here its responses are held against the names that it took.
    if (this.#protocol.method === 'sotw') this.#rules.subscribed([...this.#protocol.states(state).keys()]);
    const states = this.#protocol.states(state);
    if (answered !== undefined) this.#rejections.learn(NODE, states, this.#protocol.shown(message, states), culprit);
    if (culprit === undefined) return;
    this.#rules.rejected(culprit, this.#secret(culprit.name)?.version);
  }

  /** What was sent of it was rejected, or an Envoy that looks at the same bytes anew each time left no other way. */
  #mayLack(name: string, response: Response): boolean {
    return this.#protocol.states(this.#state).get(name)?.rejected !== undefined || 'apart' in response;
  }

  #deliver(): void {
    while (!this.#writing) {
      const step = this.#protocol.next(this.#state, this.#view);
      if (step === undefined) return;
      if (this.#protocol.method === 'delta') this.#rules.sentDelta(step.response, this.#view);
      else this.#rules.sentSotw(step.response, this.#isolates(this.#state), (name) => this.#mayLack(name, step.response));
      this.#state = step.state;
      this.#inbox.push(step.response);
      this.sent.push(step.response);
      this.#writing = this.#stalled;
      if (this.sent.length > 2_000) throw new Error('the responses do not end');
    }
  }
}
