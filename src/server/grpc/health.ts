/**
 * The standard health service on the SDS socket (grpc.health.v1): "" is this process, which serves until it drains; the secret discovery
 * service serves while there is something good to serve.
 */

import { type Frame, frameOf } from '../../wire/frame.ts';
import { decode, encode } from '../../wire/wire.ts';
import type { Call, Method } from './call.ts';
import type { GrpcService } from './grpc-server.ts';
import { serverStreaming, unary } from './methods.ts';
import { type Failure, Status } from './status.ts';

const HEALTH = 'grpc.health.v1.Health';

/** grpc.health.v1.HealthCheckResponse.ServingStatus */
const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

interface Watcher {
  /** Undefined for an unknown service. */
  readonly serves: (() => boolean) | undefined;
  /** The status that it was sent last; 0: none. */
  lastSent: number;
}

export class HealthService implements GrpcService {
  readonly methods: Readonly<Record<string, Method>>;
  readonly #services: ReadonlyMap<string, () => boolean>;
  readonly #watchers = new Map<Call, Watcher>();
  #draining = false;

  /** @param services by full name: whether each serves now */
  constructor(services: Readonly<Record<string, () => boolean>>) {
    this.#services = new Map([['', () => true], ...Object.entries(services)]);
    const decodeService = (bytes: Buffer) => decode('grpc.health.v1.HealthCheckRequest', bytes).service;
    const decodeList = (bytes: Buffer) => decode('grpc.health.v1.HealthListRequest', bytes);
    this.methods = {
      [`/${HEALTH}/Check`]: unary({ decode: decodeService, answer: (service) => this.#check(service) }),
      [`/${HEALTH}/List`]: unary({ decode: decodeList, answer: () => this.#list() }),
      [`/${HEALTH}/Watch`]: serverStreaming({ decode: decodeService, open: (service, call) => this.#watch(service, call) }),
    };
  }

  /** Sends each watcher its status if that has changed. Costs nothing without watchers. */
  look(): void {
    for (const [call, watcher] of this.#watchers) this.#send(call, watcher);
  }

  /** Nothing serves from now on: watchers get NOT_SERVING before their calls end. */
  drain(): void {
    this.#draining = true;
    this.look();
    for (const call of this.#watchers.keys()) end(call);
  }

  #check(service: string): Frame | Failure {
    const known = this.#statusOf(this.#services.get(service));
    return known === SERVICE_UNKNOWN ? { code: Status.NOT_FOUND, details: this.#unknown(service) } : statusFrame(known);
  }

  #list(): Frame {
    const statuses = [...this.#services].map(([name, serves]) => [name, { status: this.#statusOf(serves) }]);
    return frameOf(encode('grpc.health.v1.HealthListResponse', { statuses: Object.fromEntries(statuses) }));
  }

  /** The call stays open for an unknown service, as the gRPC health protocol demands. The name of such a service is not kept. */
  #watch(service: string, call: Call): () => void {
    const watcher: Watcher = { serves: this.#services.get(service), lastSent: 0 };
    this.#watchers.set(call, watcher);
    this.#send(call, watcher);
    if (this.#draining) end(call);
    return () => this.#watchers.delete(call);
  }

  #send(call: Call, watcher: Watcher): void {
    const now = this.#statusOf(watcher.serves);
    if (watcher.lastSent === now) return;
    watcher.lastSent = now;
    call.send(statusFrame(now));
  }

  #statusOf(serves: (() => boolean) | undefined): number {
    if (serves === undefined) return SERVICE_UNKNOWN;
    return !this.#draining && serves() ? SERVING : NOT_SERVING;
  }

  #unknown(service: string): string {
    const names = [...this.#services.keys()].map((name) => JSON.stringify(name)).join(' and ');
    return `there is no service ${JSON.stringify(service.slice(0, 256))} here, only ${names}`;
  }
}

function statusFrame(status: number): Frame {
  return frameOf(encode('grpc.health.v1.HealthCheckResponse', { status }));
}

function end(call: Call): void {
  call.end(Status.UNAVAILABLE, 'spiffe-sds is shutting down');
}
