/** gRPC on sockets that we accepted ourselves, so that who is at the other end can be known, and closing can be trusted. */
import type { Socket } from 'node:net';
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Peer } from '../events.ts';
import { checked } from './malformed-requests.ts';
import { ConnectedPeer, type CredentialsReader, UNKNOWN_PEER } from './peer.ts';

/** A request that does not parse comes to a stream of requests as the MalformedMessage; all other calls are ended before they begin. */
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
}

export interface ConnectionListener {
  opened(peer: Peer): void;
  closed(peer: Peer): void;
  /** It was closed at once, because there are too many. */
  refused(peer: Peer): void;
  /** A call that is no stream of requests was ended: its request does not parse. */
  malformed(peer: Peer, call: string, details: string): void;
}

const NOBODY: ConnectionListener = {
  opened: () => undefined,
  closed: () => undefined,
  refused: () => undefined,
  malformed: () => undefined,
};
/** grpc-js shows the address of a call's socket; a Unix socket has none, so its number stands there. */
const ADDRESS = 'connection';

export const DEFAULT_LIMITS: GrpcLimits = { maxConnections: 64, maxStreamsPerConnection: 16_384, maxRequestBytes: 1024 * 1024 };

export class GrpcServer {
  readonly #services: readonly GrpcService[];
  readonly #listener: ConnectionListener;
  readonly #peers = new Map<Socket, ConnectedPeer>();
  #accepted = 0;
  #readCredentials: CredentialsReader = () => undefined;
  #limits: GrpcLimits;
  /** The newest takes new connections; the older ones have the limits of their time. */
  #generations: readonly Generation[];

  constructor(services: readonly GrpcService[], limits: GrpcLimits = DEFAULT_LIMITS, listener: ConnectionListener = NOBODY) {
    const tell = (address: string, call: string, details: string) => listener.malformed(this.peerOf(address), call, details);
    this.#services = services.map((service) => checked(service, tell));
    this.#listener = listener;
    this.#limits = limits;
    this.#generations = [openGeneration(this.#services, limits)];
  }

  /** New connections have these limits. */
  configure(limits: GrpcLimits): void {
    const { maxRequestBytes, maxStreamsPerConnection } = this.#limits;
    const same = maxRequestBytes === limits.maxRequestBytes && maxStreamsPerConnection === limits.maxStreamsPerConnection;
    this.#limits = limits;
    if (!same) this.#generations = [openGeneration(this.#services, limits), ...this.#generations];
  }

  get connections(): number {
    return this.#peers.size;
  }

  /** From now on, and for the connections that are open. */
  identifyPeers(read: CredentialsReader): void {
    this.#readCredentials = read;
    for (const peer of this.#peers.values()) peer.identify(read);
  }

  /** @param address what `getPeer()` of a call says */
  peerOf(address: string): Peer {
    for (const peer of this.#peers.values()) if (address === `${ADDRESS}:${peer.connection}`) return peer;
    return UNKNOWN_PEER;
  }

  /** Serves one connection. */
  accept(socket: Socket): void {
    // A peer that resets the connection is no error of ours; without a listener it would be thrown.
    socket.on('error', () => socket.destroy());
    const peer = new ConnectedPeer(++this.#accepted, socket);
    peer.identify(this.#readCredentials);
    if (this.#peers.size >= this.#limits.maxConnections) {
      socket.destroy();
      this.#listener.refused(peer);
      return;
    }
    Object.defineProperties(socket, { remoteAddress: { value: ADDRESS }, remotePort: { value: peer.connection } });
    socket.once('close', () => {
      this.#peers.delete(socket);
      this.#listener.closed(peer);
    });
    this.#peers.set(socket, peer);
    this.#listener.opened(peer);
    this.#generations[0]?.injector.injectConnection(socket);
  }

  /**
   * Drains the services and closes the connections once what that sends has left, by force after `graceMs`. grpc-js's own shutdown
   * does not wait for injected connections, nor does it close all of them.
   */
  async close(graceMs: number): Promise<void> {
    for (const service of this.#services) service.drain();
    for (const { injector } of this.#generations) injector.drain(graceMs);
    const closed = [...this.#peers.keys()].map((socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())));
    const force = setTimeout(() => {
      for (const socket of this.#peers.keys()) socket.destroy();
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
