/**
 * A gRPC server on node:http2, for sockets that were accepted elsewhere. It knows its peers, limits what each may cost, closes reliably,
 * and keeps nothing of a call that has ended. It handles methods and bytes, not messages.
 *
 * gRPC over HTTP/2: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
import type { Socket } from 'node:net';
import { type Clock, systemClock } from '../../clock.ts';
import type { Peer } from '../../events.ts';
import { isNotHttp2 } from '../http2-preface.ts';
import { ConnectedPeer, type CredentialsReader } from '../peer.ts';
import type { SharedBudget } from './budget.ts';
import type { Method } from './call.ts';
import { CallAllowance } from './call-allowance.ts';
import { Connection, type ConnectionListener } from './connection.ts';
import { DEFAULT_LIMITS, type GrpcLimits, USER_CONNECTIONS } from './limits.ts';
import { whoMakesRoom } from './room.ts';

export interface GrpcService {
  /** By path: `/package.Service/Method`. */
  readonly methods: Readonly<Record<string, Method>>;
  /** Ends every call, and each that comes later, with UNAVAILABLE. */
  drain(): void;
}

export interface GrpcServerOptions {
  /** Default: `DEFAULT_LIMITS`. */
  readonly limits?: GrpcLimits;
  /** Default: nobody. */
  readonly listener?: ConnectionListener;
  /** Whether a peer may connect: asked before the first byte goes to it, and told by whoever says no. Default: whoever can. */
  readonly admits?: (peer: Peer) => boolean;
  /** Default: the machine's. */
  readonly clock?: Clock;
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

/** How long a peer that reads may take to end its calls when the server closes. */
const CALLS_END_MS = 500;

/** Some 7 MB, whatever they say: to end a connection with fewer would help nobody. */
const SHED_CALLS = 1_000;

export class GrpcServer {
  readonly #services: readonly GrpcService[];
  readonly #methods: ReadonlyMap<string, Method>;
  readonly #listener: ConnectionListener;
  readonly #clock: Clock;
  readonly #admits: (peer: Peer) => boolean;
  /** Oldest first. */
  readonly #connections = new Set<Connection>();
  readonly #partial: SharedBudget = { used: 0 };
  readonly #unsent: SharedBudget = { used: 0 };
  readonly #calls: SharedBudget = { used: 0 };
  /** By uid. */
  readonly #allowances = new Map<number | undefined, CallAllowance>();
  #limits: GrpcLimits;
  #accepted = 0;
  #readCredentials: CredentialsReader = () => undefined;

  constructor(services: readonly GrpcService[], options: GrpcServerOptions = {}) {
    this.#services = services;
    this.#methods = new Map(services.flatMap(({ methods }) => Object.entries(methods)));
    this.#limits = options.limits ?? DEFAULT_LIMITS;
    this.#listener = options.listener ?? NOBODY;
    this.#clock = options.clock ?? systemClock;
    this.#admits = options.admits ?? (() => true);
  }

  /** New connections have these limits. */
  configure(limits: GrpcLimits): void {
    this.#limits = limits;
    this.#allowances.clear();
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** From now on, and for the connections that are open. */
  identifyPeers(read: CredentialsReader): void {
    this.#readCredentials = read;
    for (const { peer } of this.#connections) peer.identify(read);
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
    if (!this.#admits(peer)) {
      socket.destroy();
      return;
    }
    if (!this.#hasRoom(peer)) {
      socket.destroy();
      this.#listener.refused(peer);
      return;
    }
    this.#listener.opened(peer);
    const connection = new Connection(socket, peer, {
      limits: this.#limits,
      methods: this.#methods,
      clock: this.#clock,
      partial: this.#partial,
      unsent: this.#unsent,
      calls: this.#calls,
      onOverdrawn: () => this.#relieve(),
      userAllowance: () => this.#allowanceOf(peer.credentials?.uid),
      onUserExceeds: (tooMuch) => this.#endGreediest(peer.credentials?.uid, tooMuch),
      listener: this.#listener,
    });
    this.#connections.add(connection);
    socket.once('close', () => {
      this.#connections.delete(connection);
      connection.release();
      this.#listener.closed(peer);
    });
  }

  /** This process is short of memory: the connection that has most calls ends, if they are many. */
  shed(): void {
    const [most] = [...this.#connections].sort((a, b) => b.calls - a.calls);
    if (most === undefined || most.calls < SHED_CALLS) return;
    this.#connections.delete(most);
    most.break('the memory limit of this process is near, and it has most calls');
  }

  /** Drains the services, and closes the connections when everything is sent, by force after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    const open = [...this.#connections];
    const closed = open.map((connection) => connection.closed);
    for (const service of this.#services) service.drain();
    for (const connection of open) connection.drain();
    // Calls that the client does not end are not waited for; frames that are still to be sent are.
    const forgetCalls = this.#clock.after(CALLS_END_MS, () => {
      for (const connection of this.#connections) connection.close();
    });
    const forgetForce = this.#clock.after(graceMs, () => {
      for (const connection of this.#connections) connection.destroy();
    });
    await Promise.all(closed);
    forgetCalls();
    forgetForce();
  }

  #hasRoom({ credentials }: Peer): boolean {
    const { maxConnections } = this.#limits;
    if (this.#connections.size < maxConnections) return true;
    const connection = whoMakesRoom(this.#connections, credentials?.uid);
    if (connection === undefined) return false;
    this.#connections.delete(connection);
    const what = connection.inUse ? 'its user had most connections' : 'it had no stream';
    connection.break(`${what} when there were ${maxConnections} connections (sds.limits.connections)`);
    return true;
  }

  /** Of the connections of this user the one goes that did most lately. */
  #endGreediest(uid: number | undefined, tooMuch: string): void {
    const theirs = [...this.#connections].filter(({ peer }) => peer.credentials?.uid === uid);
    const [greediest] = theirs.sort((a, b) => a.allowance - b.allowance);
    if (greediest === undefined) return;
    this.#connections.delete(greediest);
    greediest.break(`its user ${tooMuch}`);
  }

  #allowanceOf(uid: number | undefined): CallAllowance {
    const known = this.#allowances.get(uid);
    if (known !== undefined) return known;
    // Those that have all that they may have need not be remembered.
    for (const [user, { left }] of this.#allowances) if (left === 1) this.#allowances.delete(user);
    const made = new CallAllowance(this.#limits, this.#clock, USER_CONNECTIONS);
    this.#allowances.set(uid, made);
    return made;
  }

  /** All connections together use too much: closes the one that uses most. */
  #relieve(): void {
    const { partialBytes, unsentBytes, maxCalls } = this.#limits;
    const most = (of: (connection: Connection) => number) => [...this.#connections].sort((a, b) => of(b) - of(a))[0];
    if (this.#partial.used > partialBytes)
      most(({ partial }) => partial.used)?.break('it sends most of too much that is not whole');
    if (this.#unsent.used > unsentBytes)
      most(({ unsent }) => unsent.used)?.break('it does not read most of too much that it is sent');
    if (this.#calls.used > maxCalls) most(({ calls }) => calls)?.break(`it has most calls when there are more than ${maxCalls}`);
  }
}
