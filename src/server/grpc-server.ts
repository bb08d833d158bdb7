/** gRPC on sockets that we accepted ourselves, so that who is at the other end can be known, and closing can be trusted. */
import type { Socket } from 'node:net';
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';

export interface GrpcService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
  /** Ends every call, and each that comes later, with UNAVAILABLE. */
  drain(): void;
}

export interface GrpcLimits {
  /** One more is closed at once. */
  readonly maxConnections: number;
  /** HTTP/2's SETTINGS_MAX_CONCURRENT_STREAMS: a client waits, or its stream is refused. */
  readonly maxStreamsPerConnection: number;
  /** A larger message ends its stream with RESOURCE_EXHAUSTED. An Envoy's first request carries its node: some 60 KB. */
  readonly maxRequestBytes: number;
  /** A connection was closed because there are too many. */
  readonly onRefused?: () => void;
}

export const DEFAULT_LIMITS: GrpcLimits = { maxConnections: 64, maxStreamsPerConnection: 16_384, maxRequestBytes: 1024 * 1024 };

export class GrpcServer {
  readonly #services: readonly GrpcService[];
  readonly #sockets = new Set<Socket>();
  #limits: GrpcLimits;
  /** The newest takes new connections; the older ones have the limits of their time. */
  #generations: readonly Generation[];

  constructor(services: readonly GrpcService[], limits: GrpcLimits = DEFAULT_LIMITS) {
    this.#services = services;
    this.#limits = limits;
    this.#generations = [openGeneration(services, limits)];
  }

  /** New connections have these limits. */
  configure(limits: GrpcLimits): void {
    const { maxRequestBytes, maxStreamsPerConnection } = this.#limits;
    const same = maxRequestBytes === limits.maxRequestBytes && maxStreamsPerConnection === limits.maxStreamsPerConnection;
    this.#limits = limits;
    if (!same) this.#generations = [openGeneration(this.#services, limits), ...this.#generations];
  }

  /** Serves one connection. */
  accept(socket: Socket): void {
    // A peer that resets the connection is no error of ours; without a listener it would be thrown.
    socket.on('error', () => socket.destroy());
    if (this.#sockets.size >= this.#limits.maxConnections) {
      socket.destroy();
      this.#limits.onRefused?.();
      return;
    }
    socket.once('close', () => this.#sockets.delete(socket));
    this.#sockets.add(socket);
    this.#generations[0]?.injector.injectConnection(socket);
  }

  /**
   * Drains the services and closes the connections once what that sends has left, by force after `graceMs`. grpc-js's own shutdown
   * does not wait for injected connections, nor does it close all of them.
   */
  async close(graceMs: number): Promise<void> {
    for (const service of this.#services) service.drain();
    for (const { injector } of this.#generations) injector.drain(graceMs);
    const closed = [...this.#sockets].map((socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())));
    const force = setTimeout(() => {
      for (const socket of this.#sockets) socket.destroy();
    }, graceMs);
    await Promise.all(closed);
    clearTimeout(force);
    for (const { server } of this.#generations) server.forceShutdown();
  }
}

interface Generation {
  readonly server: Server;
  readonly injector: ReturnType<Server['createConnectionInjector']>;
}

function openGeneration(services: readonly GrpcService[], limits: GrpcLimits): Generation {
  const server = new Server({
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': limits.maxRequestBytes,
    'grpc.max_concurrent_streams': limits.maxStreamsPerConnection,
  });
  for (const { definition, implementation } of services) server.addService(definition, implementation);
  return { server, injector: server.createConnectionInjector(ServerCredentials.createInsecure()) };
}
