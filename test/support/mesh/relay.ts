import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** A Unix socket that leads to another, for a test that holds back what the other says, or cuts the connection. */
export class Relay implements AsyncDisposable {
  readonly path: string;
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #holds = false;

  private constructor(path: string, target: string) {
    this.path = path;
    this.#server = createServer((near) => this.#join(near, connect(target)));
  }

  static async open(path: string, target: string): Promise<Relay> {
    const relay = new Relay(path, target);
    await once(relay.#server.listen(path), 'listening');
    return relay;
  }

  /** The other is not heard from now on, until release. */
  hold(): void {
    this.#holds = true;
    for (const { far } of this.#connections) far.pause();
  }

  release(): void {
    this.#holds = false;
    for (const { far } of this.#connections) far.resume();
  }

  /** Ends all connections; new ones are accepted. */
  cut(): void {
    for (const { near, far } of this.#connections) {
      near.destroy();
      far.destroy();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((closed) => this.#server.close(closed));
  }

  #join(near: Socket, far: Socket): void {
    const connection = { near, far };
    this.#connections.add(connection);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      from.on('data', (bytes) => to.write(bytes));
      from.on('error', () => {});
      from.on('close', () => {
        this.#connections.delete(connection);
        to.destroy();
      });
    }
    if (this.#holds) far.pause();
  }
}

interface Connection {
  readonly near: Socket;
  readonly far: Socket;
}
