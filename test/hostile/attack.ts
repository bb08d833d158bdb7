/** What an attacker has: the socket, connections to it, and a time after which it stops. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders, type Settings } from 'node:http2';
import { createConnection, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** What is repeated until the time is over. The name of an attack says what it does. */
export type Attack = (attacker: Attacker) => Promise<void>;

const SDS = '/envoy.service.secret.v3.SecretDiscoveryService';
export const PATHS = {
  sotw: `${SDS}/StreamSecrets`,
  delta: `${SDS}/DeltaSecrets`,
  fetch: `${SDS}/FetchSecrets`,
  health: '/grpc.health.v1.Health/Watch',
} as const;

/** A connection takes no more than this from the attacker before the sidecar reads: the attacker, too, has only so much memory. */
const MAX_UNSENT = 4 * 1024 * 1024;
/** As many as the sidecar lets a connection have. node:http2 queues the rest in the attacker, and takes minutes to drop them. */
const MAX_OPEN = 16_384;
const openCalls = new WeakMap<ClientHttp2Session, number>();

export class Attacker {
  readonly #path: string;
  readonly #until: number;

  /** @param until by the monotonic clock, in milliseconds */
  constructor(path: string, until: number) {
    this.#path = path;
    this.#until = until;
  }

  get over(): boolean {
    return performance.now() >= this.#until;
  }

  /** A connection that says what it is told to. */
  dial(): Socket {
    const socket = createConnection(this.#path);
    return socket.on('error', () => undefined).resume();
  }

  /** A connection that speaks HTTP/2 as it should. */
  session(settings: Settings = {}): { readonly session: ClientHttp2Session; readonly socket: Socket } {
    const socket = createConnection(this.#path);
    socket.on('error', () => undefined);
    const session = connect('http://localhost', { createConnection: () => socket, settings, maxSessionMemory: 1_000 });
    session.on('error', () => undefined).setMaxListeners(0);
    return { session, socket };
  }

  /** Does it again and again on sound connections, `calls` a turn, a new connection when one was closed. */
  async onSessions(
    step: (session: ClientHttp2Session, turn: number) => void,
    { perConnection = Number.POSITIVE_INFINITY, perTurn = 20, settings = {} as Settings } = {},
  ): Promise<void> {
    let { session, socket } = this.session(settings);
    for (let turn = 0, here = 0; !this.over; ) {
      if (session.destroyed || session.closed || socket.destroyed) {
        ({ session, socket } = this.session(settings));
        here = 0;
      }
      const mayGoOn = () =>
        here < perConnection && socket.writableLength < MAX_UNSENT && (openCalls.get(session) ?? 0) < MAX_OPEN;
      for (let i = 0; i < perTurn && mayGoOn(); i++) {
        step(session, turn++);
        here++;
      }
      await nextTurn();
    }
    // The rest ends with the process.
  }

  /** Says it again and again on connections that begin with `hello`, a new connection when one was closed. */
  async onSockets(hello: Buffer, say: (turn: number) => Buffer): Promise<void> {
    let socket = this.dial();
    socket.write(hello);
    for (let turn = 0; !this.over; ) {
      if (socket.destroyed || socket.readableEnded) {
        socket.destroy();
        socket = this.dial();
        socket.write(hello);
        turn = 0;
      }
      if (socket.writableLength < MAX_UNSENT) socket.write(say(turn++));
      await nextTurn();
    }
    socket.destroy();
  }

  /** Keeps so many connections that each say this, and nothing more. */
  async hold(count: number, hello: Buffer): Promise<void> {
    const sockets = new Set<Socket>();
    while (!this.over) {
      for (let i = 0; i < 10 && sockets.size < count; i++) {
        const socket = this.dial();
        sockets.add(socket);
        socket.once('close', () => sockets.delete(socket));
        socket.write(hello);
      }
      await nextTurn();
    }
    for (const socket of sockets) socket.destroy();
  }
}

/** Begins a call; what comes back is dropped. */
export function begin(session: ClientHttp2Session, path: string, headers: OutgoingHttpHeaders = {}): ClientHttp2Stream {
  const request = { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers', ...headers };
  openCalls.set(session, (openCalls.get(session) ?? 0) + 1);
  return session
    .request(request, { endStream: false })
    .on('error', () => undefined)
    .on('close', () => openCalls.set(session, (openCalls.get(session) ?? 1) - 1))
    .resume();
}
