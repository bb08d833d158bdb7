/** One StreamSecrets call: requests go into the state machine, responses come out as bytes, the newest when the last has left. */
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { EventListener, SecretVersion, StreamInfo } from '../events.ts';
import type { DiscoveryRequest } from '../gen/messages.ts';
import { SECRET_TYPE_URL, type Secret, type ValidationForm } from '../secrets/secret.ts';
import type { SecretSet } from '../secrets/secret-set.ts';
import type { Subscriber } from './delivery.ts';
import { validationForm } from './node.ts';
import { redact } from './redact.ts';
import { encodeResponse } from './response.ts';
import {
  heldNames,
  INITIAL_SOTW_STATE,
  next,
  receive,
  type SotwOptions,
  type SotwResponse,
  type SotwState,
  sameNames,
} from './sotw.ts';
import type { SecretsView } from './view.ts';

export interface StreamContext extends SotwOptions {
  /** The form of validation contexts, unless the Envoy asks for another. */
  readonly validation: ValidationForm;
  readonly events: EventListener;
  /** The newest. */
  readonly secrets: () => SecretSet;
}

type Call = ServerDuplexStream<DiscoveryRequest, Buffer>;

export class SotwStream implements Subscriber {
  readonly #call: Call;
  readonly #context: StreamContext;
  #info: StreamInfo;
  #form: ValidationForm;
  #state = INITIAL_SOTW_STATE;
  /** A response has not left yet: what changes meanwhile goes out after it, and only the newest. */
  #writing = false;
  /** The names that were last told to be held. */
  #held: readonly string[] = [];

  /** @param stream its number, unique in this process */
  constructor(call: Call, stream: number, context: StreamContext) {
    this.#call = call;
    this.#context = context;
    this.#info = { stream, node: '' };
    this.#form = context.validation;
    call.on('data', (request: DiscoveryRequest) => this.#receive(request));
    context.events({ type: 'stream_opened', ...this.#info });
  }

  deliver(): void {
    if (this.#writing || this.#call.destroyed) return;
    const view = this.#view();
    const step = next(this.#state, view);
    if (step !== undefined) this.#send(step);
    this.#tellHeld(view);
  }

  #send({ state, response }: { readonly state: SotwState; readonly response: SotwResponse }): void {
    this.#state = state;
    this.#writing = true;
    this.#call.write(encodeResponse(response), () => {
      this.#writing = false;
      this.deliver();
    });
    this.#context.events({ type: 'secrets_pushed', secrets: versions(response.secrets), nonce: response.nonce, ...this.#info });
  }

  /** Ends the call with a gRPC status. */
  end(code: status, details: string): void {
    this.#call.emit('error', { code, details });
  }

  /** Tells that the call is over. */
  closed(reason: string): void {
    this.#context.events({ type: 'stream_closed', reason, ...this.#info });
  }

  #receive(request: DiscoveryRequest): void {
    if (request.type_url !== '' && request.type_url !== SECRET_TYPE_URL) {
      this.end(status.INVALID_ARGUMENT, `this stream serves ${SECRET_TYPE_URL}, not ${request.type_url.slice(0, 200)}`);
      return;
    }
    if (!this.#state.begun) {
      this.#info = { ...this.#info, node: request.node?.id ?? '' };
      this.#form = validationForm(request.node, this.#context.validation);
    }
    const { subscription } = this.#state;
    const { resource_names: names, response_nonce: nonce, error_detail: error } = request;
    const { state, answered } = receive(this.#state, { names, nonce, rejected: error !== null }, this.#context);
    this.#state = state;
    if (answered !== undefined) this.#tellAnswer(answered.nonce, answered.secrets, error?.message);
    if (state.subscription !== subscription) this.#tellSubscription();
    this.deliver();
  }

  #tellAnswer(nonce: string, secrets: readonly Secret[], error: string | undefined): void {
    const answer = { secrets: versions(secrets), nonce, ...this.#info };
    if (error === undefined) this.#context.events({ type: 'secrets_accepted', ...answer });
    else this.#context.events({ type: 'secrets_rejected', reason: redact(error), ...answer });
  }

  #tellSubscription(): void {
    const { subscription } = this.#state;
    const names = subscription.kind === 'names' ? subscription.names : [];
    this.#context.events({ type: 'stream_subscribed', names, subscription: subscription.kind, form: this.#form, ...this.#info });
  }

  /** Once for each list of names; not while there is nothing at all, for then the Workload API is what to look at. */
  #tellHeld(view: SecretsView): void {
    const names = heldNames(this.#state, view);
    const available = this.#context.secrets().names;
    if (available.length === 0 || sameNames(names, this.#held)) return;
    this.#held = names;
    if (names.length > 0) this.#context.events({ type: 'names_held', names, available, ...this.#info });
  }

  #view(): SecretsView {
    const secrets = this.#context.secrets();
    return { everything: secrets.ids, get: (name) => secrets.get(name, this.#form) };
  }
}

function versions(secrets: readonly Secret[]): readonly SecretVersion[] {
  return secrets.map(({ name, version }) => ({ name, version }));
}
