/** One streaming call: gives requests to the state machine of its protocol, and sends the responses that are due, one at a time. */
import type { Refusal } from '../../access/access-rules.ts';
import { grantedSet } from '../../access/granted-set.ts';
import type { StreamDenialReason, StreamInfo } from '../../events.ts';
import { initialRate, type Rate, take } from '../../rate.ts';
import { SECRET_TYPE_URL, type ValidationForm } from '../../secrets/secret.ts';
import type { Call, CallHandler } from '../../server/grpc/call.ts';
import { Status } from '../../server/grpc/status.ts';
import { MalformedMessage, occurrences } from '../../wire/wire-format.ts';
import type { Subscriber } from '../delivery/delivery.ts';
import { weightOf } from '../protocol/backlog.ts';
import { NameShare, nameBytes } from '../protocol/name-bytes.ts';
import { NO_RECALL, type Recall } from '../protocol/name-state.ts';
import type { Protocol, Received, RequestMessage, Sent, Unanswered } from '../protocol/protocol.ts';
import type { SecretsView } from '../protocol/view.ts';
import { envoyKey, envoyKeys } from './envoy-key.ts';
import { formFor } from './node.ts';
import { refusedDomain } from './refused-domains.ts';
import { REQUEST_RATE } from './request-rate.ts';
import { StreamAccess } from './stream-access.ts';
import type { OtherTypes, StreamContext, StreamIdentity } from './stream-context.ts';
import { StreamRecord } from './stream-record.ts';
import { nameStatuses, type StreamStatus } from './stream-status.ts';

const EXHAUSTED = Status.RESOURCE_EXHAUSTED;
const MAX_TEXT = 256;
const NO_NAMES: ReadonlySet<string> = new Set();
/** `resource_names` of a DiscoveryRequest, `resource_names_subscribe` of a DeltaDiscoveryRequest. */
const NAMES_FIELD = 3;
/** Other types on an aggregated stream: each is reported once, up to this many. */
const MAX_IGNORED_TYPES = 100;

export class SecretStream<Message extends RequestMessage, State, Response extends Sent> implements Subscriber, CallHandler {
  readonly #call: Call;
  readonly #protocol: Protocol<Message, State, Response>;
  readonly #otherTypes: OtherTypes;
  readonly #context: StreamContext;
  #info: StreamInfo;
  /** The form of validation contexts, when this Envoy needs or asks for a certain one. */
  #form: ValidationForm | undefined;
  #state: State;
  #rate: Rate;
  /** A response has not left yet. After it only the newest is sent, whatever changes meanwhile. */
  #writing = false;
  #open = true;
  /** The first request is here. */
  #begun = false;
  /** The held names that were reported. */
  #held = NO_NAMES;
  /** Other types that were reported. Undefined until there is one: as a rule there is none. */
  #ignored: Set<string> | undefined;
  /** The newest update of the secrets of which everything was sent. */
  #upToDate = 0;
  readonly #record: StreamRecord;
  readonly #access: StreamAccess;
  /** Bytes that are kept for responses without an answer. */
  #weight = 0;
  readonly #names: NameShare;
  /** Of what it says of its node. */
  #nodeBytes = 0;
  readonly #openedAt: number;

  constructor(
    call: Call,
    { stream, traceparent }: StreamIdentity,
    protocol: Protocol<Message, State, Response>,
    otherTypes: OtherTypes,
    context: StreamContext,
  ) {
    this.#call = call;
    this.#protocol = protocol;
    this.#otherTypes = otherTypes;
    this.#context = context;
    this.#record = new StreamRecord(context);
    this.#names = new NameShare(context.names, call.peer.connection);
    this.#access = new StreamAccess(() => context.settings().access, call.peer);
    this.#info = { stream, method: protocol.method, peer: call.peer, node: '' };
    this.#state = protocol.initial;
    this.#openedAt = context.clock.now();
    this.#rate = initialRate(REQUEST_RATE, this.#openedAt);
    context.events({ type: 'stream_opened', ...this.#info, ...(traceparent !== undefined && { traceparent }) });
  }

  deliver(): void {
    if (this.#writing || !this.#open) return;
    const view = this.#view();
    const { backlog, update, onSettled } = this.#context;
    const { connection } = this.#info.peer;
    if (backlog.isFull(connection, this.#weight)) this.#advanceTo(this.#protocol.withoutOvertaken(this.#state));
    const step = backlog.isFull(connection, this.#weight) ? undefined : this.#protocol.next(this.#state, view);
    if (step !== undefined) this.#send(step);
    this.#reportHeld(view);
    if (step !== undefined) return;
    const answered = this.#protocol.unansweredCount(this.#state) === 0;
    if (!answered && this.#protocol.due(this.#state, view) !== undefined) {
      // The client does not answer, and there is newer content. The older one is as a rule a private key: it is not kept.
      this.#advanceTo(this.#protocol.withoutOvertaken(this.#state));
      return;
    }
    this.#upToDate = update();
    if (answered) onSettled(this);
  }

  get status(): StreamStatus {
    const states = this.#protocol.states(this.#state);
    return {
      ...this.#info,
      openedAt: this.#openedAt,
      names: nameStatuses(states, this.#protocol.heldNames(this.#state, this.#view())),
      unanswered: this.#protocol.unansweredCount(this.#state),
      ...this.#record.answers,
      ...(this.#access.judgement && { rule: this.#access.judgement.rule ?? 'none' }),
    };
  }

  get awaitsBundle(): boolean {
    const view = this.#view();
    const isNewest = ({ kind, name, version }: Unanswered['secrets'][number]) =>
      kind === 'validation_context' && view.get(name)?.version === version;
    const hasBundle = ({ secrets }: Unanswered) => secrets.some(isNewest);
    const due = this.#protocol.due(this.#state, view);
    return (due !== undefined && hasBundle(due.response)) || [...this.#protocol.unanswered(this.#state)].some(hasBundle);
  }

  /** Ends the call with a gRPC status. */
  end(code: number, details: string): void {
    this.#open = false;
    this.#call.end(code, details);
  }

  message(bytes: Buffer): void {
    if (!this.#open) return;
    let message: Message;
    try {
      if (this.#hasTooManyNames(bytes)) return;
      message = this.#protocol.decode(bytes);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.#deny('malformed', Status.INVALID_ARGUMENT, error.message);
      return;
    }
    this.#receive(message);
  }

  halfClosed(): void {
    this.#call.end(Status.OK, 'the client ended it');
  }

  /** The last response has left. */
  sent(): void {
    this.#writing = false;
    this.deliver();
  }

  /** The call is over. */
  closed(reason: string): void {
    this.#open = false;
    this.#advanceTo(this.#protocol.initial);
    this.#names.become(0);
    this.#record.count(0, 0);
    this.#context.events({ type: 'stream_closed', reason, ...this.#info });
    this.#context.onClosed(this);
  }

  #receive(message: Message): void {
    const { rejections, settings } = this.#context;
    const { maxNames, answerEmptyRequest } = settings();
    if (!this.#begun) {
      // On an aggregated stream the first request, the only one that must have a node, may be for another type.
      this.#begun = true;
      this.#upToDate = this.#context.update();
      this.#info = { ...this.#info, node: cut(message.node?.id ?? '') };
      this.#form = formFor(message.node);
      const claimed = { id: message.node?.id ?? '', cluster: message.node?.cluster ?? '' };
      this.#nodeBytes = claimed.id.length + claimed.cluster.length;
      this.#access.claim(claimed);
      if (this.#access.judgement?.kind === 'refused') {
        this.#refuseAccess(this.#access.judgement);
        return;
      }
    }
    this.#heedAccess();
    const names = this.#protocol.names(this.#state, message);
    if (message.type_url !== '' && message.type_url !== SECRET_TYPE_URL) {
      this.#otherType(cut(message.type_url));
    } else if (names > maxNames) {
      this.#denyNames(names, maxNames);
    } else {
      const isKnown = rejections.size > 0 && this.#protocol.resumes(message);
      const shown = () => this.#protocol.shown(message, this.#protocol.states(this.#state));
      const remembered = isKnown ? rejections.recall(envoyKeys(this.#info), shown()) : NO_RECALL;
      const recall: Recall = isKnown ? (name) => (this.#access.gives(name) ? remembered(name) : undefined) : NO_RECALL;
      this.#advance(message, this.#protocol.receive(this.#state, message, { answerEmptyRequest, recall }));
    }
  }

  /** Ends the stream before so many names become so many strings. */
  #hasTooManyNames(bytes: Buffer): boolean {
    const { maxNames } = this.#context.settings();
    // Requests of other types may have as many as they like. A name takes two bytes at the least.
    if (this.#otherTypes === 'ignore' || bytes.length < 2 * maxNames) return false;
    const names = occurrences(bytes, NAMES_FIELD);
    if (names <= maxNames) return false;
    this.#denyNames(names, maxNames);
    return true;
  }

  #denyNames(names: number, maxNames: number): void {
    const details = `this stream asks for ${names} names, the limit is ${maxNames} (sds.limits.names_per_stream)`;
    this.#deny('names', EXHAUSTED, details);
  }

  #advance(message: Message, { state, answered, culprit, subscription }: Received<State>): void {
    const { events, rejections, clock, onAnswer } = this.#context;
    const rate = answered === undefined ? take(REQUEST_RATE, this.#rate, clock.now()) : this.#rate;
    if (rate === undefined) {
      this.#deny('requests', EXHAUSTED, 'this stream sends more requests that answer nothing than 100 a second');
      return;
    }
    this.#rate = rate;
    if (!this.#names.become(nameBytes(this.#protocol.states(state)) + this.#nodeBytes)) {
      this.#deny('names', EXHAUSTED, 'the names of all streams take too much memory: ask for fewer, or on fewer streams');
      return;
    }
    this.#advanceTo(state);
    if (subscription !== undefined) {
      const names = subscription.kind === 'names' ? subscription.names : [];
      events({ type: 'stream_subscribed', subscription: subscription.kind, names, form: this.#formNow, ...this.#info });
    }
    // An Envoy without a node id cannot be recognised on its next stream.
    if (answered !== undefined && this.#info.node !== '' && (culprit !== undefined || rejections.size > 0)) {
      const states = this.#protocol.states(state);
      rejections.learn(envoyKey(this.#info), states, this.#protocol.shown(message, states), culprit);
    }
    if (answered !== undefined) this.#record.answered(answered, message.error_detail?.message, this.#info);
    if (message.error_detail) this.#refuse(refusedDomain(message.error_detail.message));
    this.deliver();
    if (answered !== undefined) onAnswer(this);
  }

  #advanceTo(state: State): void {
    this.#state = state;
    const weight = weightOf(this.#protocol.unanswered(state));
    if (weight !== this.#weight) this.#context.backlog.change(this.#info.peer.connection, weight - this.#weight);
    this.#weight = weight;
  }

  /** Leaves out, on all streams of this Envoy, a trust domain whose bundle it refuses. */
  #refuse(trustDomain: string | undefined): void {
    const { secrets, refused, events, onRefused } = this.#context;
    const content = trustDomain === undefined ? undefined : secrets().contentOf(trustDomain);
    if (trustDomain === undefined || content === undefined || !refused.remember(envoyKey(this.#info), trustDomain, content))
      return;
    events({ type: 'trust_domain_left_out', trustDomain, ...this.#info });
    onRefused();
  }

  /** What this peer may not have any more is taken from the state of its stream, before anything can send it. */
  #heedAccess(): void {
    const change = this.#access.change(this.#protocol.states(this.#state));
    if (change === undefined) return;
    this.#advanceTo(this.#protocol.accessChanged(this.#state, change));
    const { judgement } = this.#access;
    if (judgement?.kind === 'refused') this.#tellRefused(judgement);
  }

  #refuseAccess(refusal: Refusal): void {
    this.#tellRefused(refusal);
    this.end(Status.PERMISSION_DENIED, 'sds.allow gives this peer nothing');
  }

  #tellRefused({ rule, reason }: Refusal): void {
    const { peer, node } = this.#info;
    this.#context.events({ type: 'access_denied', peer, node, reason, ...(rule !== undefined && { rule }) });
  }

  #deny(reason: StreamDenialReason, code: number, details: string): void {
    this.#context.events({ type: 'stream_denied', reason, details, ...this.#info });
    this.end(code, details);
  }

  #otherType(typeUrl: string): void {
    if (this.#otherTypes === 'refuse') {
      this.end(Status.INVALID_ARGUMENT, `this stream serves ${SECRET_TYPE_URL}, not ${typeUrl}`);
      return;
    }
    this.#ignored ??= new Set();
    if (!this.#ignored.has(typeUrl) && this.#ignored.size < MAX_IGNORED_TYPES) {
      this.#ignored.add(typeUrl);
      this.#context.events({ type: 'type_ignored', typeUrl, ...this.#info });
    }
  }

  #send({ state, response }: { readonly state: State; readonly response: Response }): void {
    const { update } = this.#context;
    this.#advanceTo(state);
    this.#writing = true;
    this.#call.send(this.#protocol.encode(response));
    this.#record.pushed(response, update(), this.#upToDate === update() ? 'request' : 'update', this.#info);
  }

  /** Reports each held name once. Not one that is on its way; and none while there are no secrets at all, for then the Workload API is the problem. */
  #reportHeld(view: SecretsView): void {
    const names = this.#protocol.heldNames(this.#state, view);
    this.#record.count(this.#protocol.states(this.#state).size, names.length);
    if (names.length === 0 && this.#held.size === 0) return;
    const secrets = this.#context.secrets();
    const available = grantedSet(secrets, this.#access.grant).names;
    if (available.length === 0) return;
    const missing = names.filter((name) => !view.pending(name));
    const fresh = missing.filter((name) => !this.#held.has(name));
    if (fresh.length > 0 || missing.length < this.#held.size) this.#held = new Set(missing);
    if (fresh.length === 0) return;
    const states = this.#protocol.states(this.#state);
    const otherKind = fresh.filter((name) => states.get(name)?.sent !== undefined);
    const notGiven = fresh.filter((name) => !this.#access.gives(name) && secrets.names.includes(name));
    const rule = this.#access.judgement?.rule ?? '';
    const report = {
      names: fresh,
      available,
      ...(otherKind.length > 0 && { otherKind }),
      ...(notGiven.length > 0 && { notGiven: { rule, names: notGiven } }),
    };
    this.#context.events({ type: 'names_held', ...report, ...this.#info });
  }

  #view(): SecretsView {
    const { views, refused } = this.#context;
    this.#heedAccess();
    const without = refused.size === 0 ? undefined : refused.of(envoyKey(this.#info));
    return views.of(this.#formNow, this.#access.grant, { without, denied: this.#access.denied });
  }

  get #formNow(): ValidationForm {
    return this.#form ?? this.#context.settings().validation;
  }
}

/** A text of the peer, cut to 256 UTF-16 units so that it can be kept, logged and shown; never cut inside a surrogate pair. */
export function cut(text: string): string {
  return text.length <= MAX_TEXT ? text : Buffer.from(text.slice(0, MAX_TEXT).toWellFormed()).toString();
}
