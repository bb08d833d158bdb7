/**
 * An Envoy as a client of SDS: what its listeners make of a secret, how it answers, and what it says when it connects again. Content whose
 * version begins with "bad" is rejected when it is applied.
 */
import type { DeltaDiscoveryRequest, DiscoveryRequest } from '../../../src/gen/messages.ts';
import type { DeltaResponse } from '../../../src/sds/protocol/delta.ts';
import type { SotwResponse } from '../../../src/sds/protocol/sotw-state.ts';

/** In which order the listeners take what came in one response: Envoy does not say. */
export type Order = readonly string[];

export interface EnvoyModel<Message, Response> {
  readonly names: readonly string[];
  /** The first request of a stream. */
  connect(): Message;
  subscribe(names: readonly string[]): Message;
  /** A listener is replaced, or another comes, that wants a name which is subscribed to already. */
  askAgain(name: string): Message;
  answer(response: Response, order: Order): Message;
  /** Whether every listener that wants the name uses this version of it. */
  uses(name: string, version: string): boolean;
}

export function isBad(version: string): boolean {
  return version.startsWith('bad');
}

/** What one listener has of one secret. */
class Watch {
  readonly name: string;
  /** A secret came: Envoy's unified mux takes it ill when a later response lacks it. */
  received = false;
  /** Remembered before it is applied: the same again is acknowledged without being applied. */
  #seen: string | undefined;
  #applied: string | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** @returns false when it rejects */
  take(version: string): boolean {
    if (version === this.#seen) return true;
    this.#seen = version;
    if (isBad(version)) return false;
    this.#applied = version;
    return true;
  }

  uses(version: string): boolean {
    return this.#applied === version;
  }
}

class Watches {
  #all: readonly Watch[] = [];

  get names(): readonly string[] {
    return [...new Set(this.#all.map(({ name }) => name))];
  }

  keep(names: readonly string[]): void {
    const added = names.filter((name) => !this.names.includes(name)).map((name) => new Watch(name));
    this.#all = [...this.#all.filter(({ name }) => names.includes(name)), ...added];
  }

  add(name: string): void {
    this.#all = [...this.#all, new Watch(name)];
  }

  inOrder(order: Order): readonly Watch[] {
    return this.#all.toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  }

  uses(name: string, version: string): boolean {
    return this.#all.every((watch) => watch.name !== name || watch.uses(version));
  }
}

const ERROR = { code: 13, message: 'it does not load' };

export class SotwEnvoy implements EnvoyModel<DiscoveryRequest, SotwResponse> {
  readonly #watches = new Watches();
  readonly #mux: 'legacy' | 'unified';
  #accepted = '';
  /** Of the response that it answered last. */
  #nonce = '';
  /** Of the response that it accepted last: with unified mux a request that answers nothing has this one. */
  #goodNonce = '';

  constructor(mux: 'legacy' | 'unified') {
    this.#mux = mux;
  }

  get names(): readonly string[] {
    return this.#watches.names;
  }

  connect(): DiscoveryRequest {
    this.#nonce = '';
    this.#goodNonce = '';
    return this.#request(false);
  }

  subscribe(names: readonly string[]): DiscoveryRequest {
    this.#watches.keep(names);
    return this.#request(false, this.#idleNonce);
  }

  /** The last ACK again. */
  askAgain(name: string): DiscoveryRequest {
    this.#watches.add(name);
    return this.#request(false, this.#idleNonce);
  }

  /** The first listener that rejects ends it: those after it get nothing. */
  answer({ nonce, secrets }: SotwResponse, order: Order): DiscoveryRequest {
    const versions = new Map(secrets.map(({ name, version }) => [name, version]));
    const accepted = this.#watches.inOrder(order).every((watch) => this.#give(watch, versions.get(watch.name)));
    this.#nonce = nonce;
    if (accepted) this.#accepted = this.#goodNonce = nonce;
    return this.#request(!accepted);
  }

  uses(name: string, version: string): boolean {
    return this.#watches.uses(name, version);
  }

  #give(watch: Watch, version: string | undefined): boolean {
    const missed = version === undefined && watch.received;
    watch.received = version !== undefined;
    if (version === undefined) return this.#mux === 'legacy' || !missed;
    return watch.take(version);
  }

  get #idleNonce(): string {
    return this.#mux === 'unified' ? this.#goodNonce : this.#nonce;
  }

  #request(rejected: boolean, nonce = this.#nonce): DiscoveryRequest {
    return {
      version_info: this.#accepted,
      node: null,
      resource_names: this.names,
      type_url: '',
      response_nonce: nonce,
      error_detail: rejected ? ERROR : null,
    };
  }
}

export class DeltaEnvoy implements EnvoyModel<DeltaDiscoveryRequest, DeltaResponse> {
  readonly #watches = new Watches();
  /** Versions that it accepted, for its next stream. */
  readonly #accepted = new Map<string, string>();

  get names(): readonly string[] {
    return this.#watches.names;
  }

  connect(): DeltaDiscoveryRequest {
    return this.#request({
      resource_names_subscribe: this.names,
      initial_resource_versions: Object.fromEntries(this.#accepted),
    });
  }

  subscribe(names: readonly string[]): DeltaDiscoveryRequest {
    const before = this.names;
    const dropped = before.filter((name) => !names.includes(name));
    this.#drop(dropped);
    this.#watches.keep(names);
    return this.#request({
      resource_names_subscribe: names.filter((name) => !before.includes(name)),
      resource_names_unsubscribe: dropped,
    });
  }

  askAgain(name: string): DeltaDiscoveryRequest {
    this.#drop([name]);
    this.#watches.add(name);
    return this.#request({ resource_names_subscribe: [name], resource_names_unsubscribe: [name] });
  }

  answer({ nonce, secrets, removed }: DeltaResponse, order: Order): DeltaDiscoveryRequest {
    const accepted = secrets.every(({ name, version }) => {
      const watches = this.#watches.inOrder(order).filter((watch) => watch.name === name);
      const taken = watches.every((watch) => watch.take(version)) && !this.refuses();
      if (taken && watches.length > 0) this.#accepted.set(name, version);
      return taken;
    });
    for (const name of removed) this.#accepted.delete(name);
    return this.#request({ response_nonce: nonce, error_detail: accepted ? null : ERROR });
  }

  uses(name: string, version: string): boolean {
    return this.#watches.uses(name, version);
  }

  /** Whether it takes nothing of what comes next. */
  protected refuses(): boolean {
    return false;
  }

  #drop(names: readonly string[]): void {
    this.#watches.keep(this.names.filter((name) => !names.includes(name)));
    for (const name of names) this.#accepted.delete(name);
  }

  #request(change: Partial<DeltaDiscoveryRequest>): DeltaDiscoveryRequest {
    return {
      node: null,
      type_url: '',
      resource_names_subscribe: [],
      resource_names_unsubscribe: [],
      initial_resource_versions: {},
      response_nonce: '',
      error_detail: null,
      ...change,
    };
  }
}
