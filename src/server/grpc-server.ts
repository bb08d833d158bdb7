/** gRPC on sockets that we accepted ourselves, so that who is at the other end can be known, and closing can be trusted. */
import type { Http2Server, Http2Stream, ServerHttp2Session, ServerOptions } from 'node:http2';
import type { Socket } from 'node:net';
import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Peer } from '../events.ts';
import { isNotHttp2 } from './http2-preface.ts';
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
  /** It speaks something else, and is closed. */
  notHttp2(peer: Peer): void;
  /** It is closed for what its peer sent. */
  broken(peer: Peer, reason: string): void;
  /** A call that is no stream of requests was ended: its request does not parse. */
  malformed(peer: Peer, call: string, details: string): void;
}

const ignore = () => undefined;
const NOBODY: ConnectionListener = {
  opened: ignore,
  closed: ignore,
  refused: ignore,
  notHttp2: ignore,
  broken: ignore,
  malformed: ignore,
};
/** grpc-js shows the address of a call's socket; a Unix socket has none, so its number stands there. */
const ADDRESS = 'connection';

/** How long a peer that reads may take to end its calls when the server closes. */
const CALLS_END_MS = 500;
/** nghttp2's own: what a connection may reset at once, and each second after that. */
const MIN_RESET_BURST = 1_000;
const MIN_RESETS_PER_SECOND = 33;
/** So that an Envoy which drops all its listeners may do so once a minute. */
const RESET_REFILL_SECONDS = 60;
/** nghttp2's NGHTTP2_ERR_BAD_CLIENT_MAGIC. */
const NOT_HTTP2 = -903;

export const DEFAULT_LIMITS: GrpcLimits = { maxConnections: 64, maxStreamsPerConnection: 16_384, maxRequestBytes: 1024 * 1024 };

export class GrpcServer {
  readonly #services: readonly GrpcService[];
  readonly #listener: ConnectionListener;
  readonly #connections = new Map<number, Connection>();
  #accepted = 0;
  #readCredentials: CredentialsReader = () => undefined;
  #limits: GrpcLimits;
  /** The newest takes new connections; the older ones have the limits of their time. */
  #generations: readonly Generation[];
  #closing = false;

  constructor(services: readonly GrpcService[], limits: GrpcLimits = DEFAULT_LIMITS, listener: ConnectionListener = NOBODY) {
    const tell = (address: string, call: string, details: string) => listener.malformed(this.peerOf(address), call, details);
    this.#services = services.map((service) => checked(service, tell));
    this.#listener = listener;
    this.#limits = limits;
    this.#generations = [this.#openGeneration(limits)];
  }

  /** New connections have these limits. */
  configure(limits: GrpcLimits): void {
    const { maxRequestBytes, maxStreamsPerConnection } = this.#limits;
    const same = maxRequestBytes === limits.maxRequestBytes && maxStreamsPerConnection === limits.maxStreamsPerConnection;
    this.#limits = limits;
    if (!same) this.#generations = [this.#openGeneration(limits), ...this.#generations];
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** From now on, and for the connections that are open. */
  identifyPeers(read: CredentialsReader): void {
    this.#readCredentials = read;
    for (const { peer } of this.#connections.values()) peer.identify(read);
  }

  /** @param address what `getPeer()` of a call says */
  peerOf(address: string): Peer {
    const [name, number] = address.split(':');
    return (name === ADDRESS && this.#connections.get(Number(number))?.peer) || UNKNOWN_PEER;
  }

  /** Serves one connection. */
  accept(socket: Socket): void {
    const peer = new ConnectedPeer(++this.#accepted, socket);
    // A peer that resets the connection is no error of ours; without a listener it would be thrown.
    socket.on('error', (error) => {
      if (isNotHttp2(error)) this.#listener.notHttp2(peer);
      socket.destroy();
    });
    peer.identify(this.#readCredentials);
    if (this.#connections.size >= this.#limits.maxConnections) {
      socket.destroy();
      this.#listener.refused(peer);
      return;
    }
    Object.defineProperties(socket, { remoteAddress: { value: ADDRESS }, remotePort: { value: peer.connection } });
    socket.once('close', () => {
      this.#connections.delete(peer.connection);
      this.#listener.closed(peer);
    });
    this.#connections.set(peer.connection, { peer, socket, calls: 0 });
    this.#listener.opened(peer);
    this.#generations[0]?.injector.injectConnection(socket);
  }

  /**
   * Drains the services and closes the connections once what that sends has left, by force after `graceMs`. grpc-js's own shutdown
   * does not wait for injected connections, nor does it close all of them.
   */
  async close(graceMs: number): Promise<void> {
    this.#closing = true;
    for (const service of this.#services) service.drain();
    for (const { injector } of this.#generations) injector.drain(graceMs);
    const connections = [...this.#connections.values()];
    const closed = connections.map(({ socket }) => new Promise<void>((resolve) => socket.once('close', () => resolve())));
    for (const connection of connections) if (connection.calls === 0) connection.socket.destroySoon();
    // A call that its client does not end keeps nobody waiting; what is still to be written does.
    const callsEnd = setTimeout(() => {
      for (const { socket } of this.#connections.values()) socket.destroySoon();
    }, CALLS_END_MS);
    const force = setTimeout(() => {
      for (const { socket } of this.#connections.values()) socket.destroy();
    }, graceMs);
    await Promise.all(closed);
    clearTimeout(callsEnd);
    clearTimeout(force);
    for (const { server } of this.#generations) server.forceShutdown();
  }

  #openGeneration({ maxRequestBytes, maxStreamsPerConnection }: GrpcLimits): Generation {
    const server = new Server({
      'grpc.enable_channelz': 0,
      'grpc.max_receive_message_length': maxRequestBytes,
      'grpc.max_concurrent_streams': maxStreamsPerConnection,
    });
    for (const { definition, implementation } of this.#services) server.addService(definition, implementation);
    const internals = server as unknown as Internals;
    const resets = resetLimits(maxStreamsPerConnection);
    Object.assign(internals.commonServerOptions, resets);
    const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
    for (const http2 of internals.http2Servers.keys()) {
      http2.on('session', (session) => this.#follow(session, resets));
    }
    return { server, injector };
  }

  #follow(session: ServerHttp2Session, { streamResetBurst }: ResetLimits): void {
    const connection = this.#connections.get(session.socket.remotePort ?? 0);
    if (connection === undefined) return;
    const { peer, socket } = connection;
    session.on('stream', (stream: Http2Stream) => {
      connection.calls += 1;
      stream.once('close', () => {
        connection.calls -= 1;
        if (this.#closing && connection.calls === 0) socket.destroySoon();
      });
    });
    session.on('error', ({ code, errno }: NodeJS.ErrnoException) => {
      if (code === 'ERR_HTTP2_ERROR') this.#listener.broken(peer, whyBroken(errno, streamResetBurst));
    });
  }
}

interface Connection {
  readonly peer: ConnectedPeer;
  readonly socket: Socket;
  /** Those that are open. */
  calls: number;
}

interface Generation {
  readonly server: Server;
  readonly injector: ReturnType<Server['createConnectionInjector']>;
}

/** What grpc-js 1.14 has no option for. */
interface Internals {
  readonly commonServerOptions: ServerOptions;
  readonly http2Servers: ReadonlyMap<Http2Server, unknown>;
}

interface ResetLimits {
  readonly streamResetBurst: number;
  readonly streamResetRate: number;
}

/** A connection that resets more is closed: to open streams and reset them costs the peer next to nothing (CVE-2023-44487). */
function resetLimits(maxStreams: number): ResetLimits {
  const streamResetBurst = Math.max(MIN_RESET_BURST, maxStreams);
  const streamResetRate = Math.max(MIN_RESETS_PER_SECOND, Math.ceil(streamResetBurst / RESET_REFILL_SECONDS));
  return { streamResetBurst, streamResetRate };
}

/** nghttp2 does not tell one breach of the protocol from another. */
function whyBroken(errno: number | undefined, streamResetBurst: number): string {
  return errno === NOT_HTTP2
    ? 'it does not speak HTTP/2: an Envoy needs http2_protocol_options in the cluster of this socket'
    : `it broke the rules of HTTP/2, or reset more than ${streamResetBurst} streams within a minute (sds.limits.streams_per_connection)`;
}
