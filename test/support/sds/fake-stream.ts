/** SDS streams without a socket: a service, its clock, and calls of which a test says what comes. */
import { EventEmitter } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { Metadata } from '@grpc/grpc-js';
import type { Event, PeerCredentials, SecretKind } from '../../../src/events.ts';
import type { DeltaDiscoveryRequest, DiscoveryRequest } from '../../../src/gen/messages.ts';
import { SdsService } from '../../../src/sds/service.ts';
import { NO_SECRETS, type SecretSet } from '../../../src/secrets/secret-set.ts';
import type { GrpcService } from '../../../src/server/grpc-server.ts';
import { ManualClock } from '../clocks/manual-clock.ts';
import { secret } from '../secrets/secrets.ts';

type Opener = (call: unknown) => void;

/** `bundle` is a validation context, the others are certificates; the same version is the same object. */
export function setOf(versions: Readonly<Record<string, string>>): SecretSet {
  const kindOf = (name: string): SecretKind => (name === 'bundle' ? 'validation_context' : 'tls_certificate');
  const secrets = new Map(
    Object.entries(versions).map(([name, version]) => [name, { ...secret(name, version), kind: kindOf(name) }]),
  );
  const names = [...secrets.keys()];
  return { ...NO_SECRETS, complete: true, ids: names, names, get: (name) => secrets.get(name) };
}

export class FakeService {
  readonly clock = new ManualClock();
  readonly events: Event[] = [];
  readonly service: SdsService;
  readonly #peers = new Map<string, PeerCredentials>();

  constructor(bundleAckTimeoutMs = 2_000) {
    const settings = {
      answerEmptyRequest: true,
      validation: 'spiffe',
      onDemand: () => false,
      maxNames: 100,
      bundleAckTimeoutMs,
    } as const;
    const peerOf = (address: string) => ({ connection: Number(address), credentials: this.#peers.get(address) });
    this.service = new SdsService(settings, { events: (event) => this.events.push(event), clock: this.clock, peerOf });
  }

  /** New secrets, delivered. */
  async update(versions: Readonly<Record<string, string>>, bundleFirst = false): Promise<void> {
    this.service.update({ secrets: setOf(versions), cause: 'workload_api', bundleFirst });
    await setImmediate();
  }

  open(method: 'StreamSecrets' | 'DeltaSecrets', connection = 1, credentials?: PeerCredentials): FakeCall {
    if (credentials !== undefined) this.#peers.set(String(connection), credentials);
    const call = new FakeCall(String(connection));
    const [sds] = this.service.grpc as readonly [GrpcService, ...GrpcService[]];
    (sds.implementation[method] as unknown as Opener)(call);
    return call;
  }
}

export class FakeCall extends EventEmitter {
  readonly metadata = new Metadata();
  /** How many responses were written. */
  written = 0;
  readonly #peer: string;

  constructor(peer: string) {
    super();
    this.#peer = peer;
  }

  getPeer(): string {
    return this.#peer;
  }

  write(_bytes: Buffer, sent: () => void): void {
    this.written += 1;
    sent();
  }

  end(): void {}

  sotw(request: Partial<DiscoveryRequest>): this {
    const rest = { version_info: '', node: null, resource_names: [], type_url: '', response_nonce: '', error_detail: null };
    this.emit('data', { ...rest, ...request });
    return this;
  }

  delta(request: Partial<DeltaDiscoveryRequest>): this {
    const names = { resource_names_subscribe: [], resource_names_unsubscribe: [], initial_resource_versions: {} };
    this.emit('data', { node: null, type_url: '', ...names, response_nonce: '', error_detail: null, ...request });
    return this;
  }
}
