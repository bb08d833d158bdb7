/** SDS streams without a socket: a service, its clock, and calls of which a test says what comes. */
import { setImmediate } from 'node:timers/promises';
import type { Event, Peer, PeerCredentials, SecretKind } from '../../../src/events.ts';
import type { DeltaDiscoveryRequest, DiscoveryRequest } from '../../../src/gen/messages.ts';
import { SDS, SdsService } from '../../../src/sds/service.ts';
import { NO_SECRETS, type SecretSet } from '../../../src/secrets/secret-set.ts';
import type { Call, CallHandler } from '../../../src/server/grpc/call.ts';
import { Status } from '../../../src/server/grpc/status.ts';
import { encode, type Input } from '../../../src/wire/wire.ts';
import { ManualClock } from '../clocks/manual-clock.ts';
import { secret } from '../secrets/secrets.ts';

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

  constructor(bundleAckTimeoutMs = 2_000) {
    const settings = {
      answerEmptyRequest: true,
      validation: 'spiffe',
      onDemand: () => false,
      maxNames: 100,
      bundleAckTimeoutMs,
    } as const;
    this.service = new SdsService(settings, { events: (event) => this.events.push(event), clock: this.clock });
  }

  /** New secrets, delivered. */
  async update(versions: Readonly<Record<string, string>>, bundleFirst = false): Promise<void> {
    this.service.update({ secrets: setOf(versions), cause: 'workload_api', bundleFirst });
    await setImmediate();
  }

  open(method: 'StreamSecrets' | 'DeltaSecrets', connection = 1, credentials?: PeerCredentials): FakeCall {
    const call = new FakeCall({ connection, credentials });
    const open = this.service.methods[`/${SDS}/${method}`];
    call.handler = open?.(call as unknown as Call, {});
    return call;
  }
}

export class FakeCall {
  readonly peer: Peer;
  handler: CallHandler | undefined;
  /** How many responses were written. */
  written = 0;

  constructor(peer: Peer) {
    this.peer = peer;
  }

  send(_frame: Buffer): void {
    this.written += 1;
    this.handler?.sent?.();
  }

  end(_code: number, details: string): void {
    this.handler?.closed(details);
    this.handler = undefined;
  }

  sotw(request: Input<DiscoveryRequest>): this {
    this.handler?.message(encode('envoy.service.discovery.v3.DiscoveryRequest', request));
    return this;
  }

  delta(request: Input<DeltaDiscoveryRequest>): this {
    this.handler?.message(encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', request));
    return this;
  }

  cancel(): void {
    this.end(Status.CANCELLED, 'the client cancelled it');
  }
}
