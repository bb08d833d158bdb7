/**
 * The standard health service on the SDS socket (grpc.health.v1): "" is this process, which serves until it drains; the secret discovery
 * service serves while there is something good to serve.
 */
import {
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import type { HealthCheckRequest, HealthCheckResponse, HealthListResponse } from '../gen/messages.ts';
import { type Input, method } from '../wire/wire.ts';
import type { GrpcService } from './grpc-server.ts';

const HEALTH = 'grpc.health.v1.Health';
const METHODS = ['Check', 'List', 'Watch'] as const;

/** grpc.health.v1.HealthCheckResponse.ServingStatus */
const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

type Watcher = ServerWritableStream<HealthCheckRequest, Input<HealthCheckResponse>>;

export class HealthService implements GrpcService {
  readonly definition: ServiceDefinition = Object.fromEntries(METHODS.map((name) => [name, method(HEALTH, name)]));
  readonly #services: ReadonlyMap<string, () => boolean>;
  /** Each with what it was told last. */
  readonly #watchers = new Map<Watcher, number>();
  #draining = false;

  /** @param services by full name: whether each serves now */
  constructor(services: Readonly<Record<string, () => boolean>>) {
    this.#services = new Map([['', () => true], ...Object.entries(services)]);
  }

  readonly implementation = {
    Check: ({ request }: ServerUnaryCall<HealthCheckRequest, unknown>, reply: sendUnaryData<Input<HealthCheckResponse>>) => {
      const known = this.#statusOf(request.service);
      if (known === SERVICE_UNKNOWN) reply({ code: status.NOT_FOUND, details: this.#unknown(request.service) });
      else reply(null, { status: known });
    },
    List: (_: unknown, reply: sendUnaryData<Input<HealthListResponse>>) => {
      const statuses = [...this.#services.keys()].map((name) => [name, { status: this.#statusOf(name) }]);
      reply(null, { statuses: Object.fromEntries(statuses) });
    },
    /** It stays open for a service that is not known, as the protocol wants it. */
    Watch: (call: Watcher) => {
      call.on('cancelled', () => this.#watchers.delete(call));
      call.on('error', () => this.#watchers.delete(call));
      this.#tell(call);
      if (this.#draining) this.#end(call);
    },
  };

  /** Tells whoever watches what is different now. Costs nothing while nobody does. */
  look(): void {
    for (const watcher of this.#watchers.keys()) this.#tell(watcher);
  }

  /** Nothing serves from now on: watchers are told so before their calls end. */
  drain(): void {
    this.#draining = true;
    this.look();
    for (const watcher of this.#watchers.keys()) this.#end(watcher);
  }

  #tell(watcher: Watcher): void {
    const now = this.#statusOf(watcher.request.service);
    if (this.#watchers.get(watcher) === now) return;
    this.#watchers.set(watcher, now);
    watcher.write({ status: now });
  }

  #end(watcher: Watcher): void {
    watcher.emit('error', { code: status.UNAVAILABLE, details: 'spiffe-sds is shutting down' });
  }

  #statusOf(service: string): number {
    const serves = this.#services.get(service);
    if (serves === undefined) return SERVICE_UNKNOWN;
    return !this.#draining && serves() ? SERVING : NOT_SERVING;
  }

  #unknown(service: string): string {
    const names = [...this.#services.keys()].map((name) => JSON.stringify(name)).join(' and ');
    return `there is no service ${JSON.stringify(service.slice(0, 256))} here, only ${names}`;
  }
}
