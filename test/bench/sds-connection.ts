/** A raw HTTP/2 client on a Unix socket: many SDS streams on one connection. */
import { once } from 'node:events';
import { existsSync, type FSWatcher, watch } from 'node:fs';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { createConnection, type Socket } from 'node:net';
import { basename, dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { messageReader, type Protocol } from './frames.ts';

/** Where a stream of each protocol is opened. */
export const METHODS: Readonly<Record<Protocol, string>> = {
  sotw: '/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets',
  delta: '/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets',
};
const WINDOW_BYTES = 16 * 1024 * 1024;

export class SdsConnection implements Disposable {
  readonly #session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.#session = session;
  }

  /** Connects as soon as somebody listens there. */
  static async open(path: string): Promise<SdsConnection> {
    return SdsConnection.over(await firstConnection(path));
  }

  /** A connection that somebody else has opened. */
  static over(socket: Socket): SdsConnection {
    const session = connect('http://localhost', {
      createConnection: () => socket,
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
      settings: { initialWindowSize: WINDOW_BYTES, enablePush: false },
    });
    session.on('error', () => {});
    session.setMaxListeners(0);
    session.once('connect', () => session.setLocalWindowSize(WINDOW_BYTES));
    return new SdsConnection(session);
  }

  /** How many streams it may open is known only when the server's settings are here. */
  async settled(): Promise<void> {
    await once(this.#session, 'remoteSettings');
  }

  /** Opens a stream, sends `request` on it, framed, and hears of each message that comes back. */
  stream(
    request: Buffer,
    onMessage: (message: Buffer, stream: ClientHttp2Stream) => void,
    path: string = METHODS.sotw,
  ): ClientHttp2Stream {
    const stream = this.#session.request(
      { ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' },
      { endStream: false },
    );
    stream.on('error', () => {});
    stream.on(
      'data',
      messageReader((message) => onMessage(message, stream)),
    );
    stream.write(request);
    return stream;
  }

  /** The first message that answers `request`. */
  answer(request: Buffer): Promise<Buffer> {
    return new Promise((resolve) => {
      this.stream(request, resolve);
    });
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
  }
}

async function firstConnection(path: string): Promise<Socket> {
  const { promise: appeared, resolve } = Promise.withResolvers<void>();
  const watcher: FSWatcher = watch(dirname(path), (_, name) => name === basename(path) && resolve());
  try {
    if (!existsSync(path)) await appeared;
  } finally {
    watcher.close();
  }
  for (;;) {
    const socket = createConnection(path);
    try {
      await once(socket, 'connect');
      return socket;
    } catch {
      // Bound, but not listening yet.
      await delay(1);
    }
  }
}
