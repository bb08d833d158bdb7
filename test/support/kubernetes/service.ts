/** What kube-proxy does for a Service: new connections go to one of the endpoints, open ones stay where they are. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class Service implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #endpoints: readonly string[] = [];
  #next = 0;

  private constructor(targetPort: number) {
    this.#server = createServer((client) => this.#forward(client, targetPort));
  }

  static async open(address: string, port: number, targetPort: number): Promise<Service> {
    const service = new Service(targetPort);
    service.#server.listen(port, address);
    await once(service.#server, 'listening');
    return service;
  }

  /** Addresses of pods. */
  set endpoints(addresses: readonly string[]) {
    this.#endpoints = addresses;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #forward(client: Socket, port: number): void {
    const address = this.#endpoints[this.#next++ % Math.max(1, this.#endpoints.length)];
    if (address === undefined) {
      client.destroy();
      return;
    }
    const server = connect(port, address);
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.pipe(other);
      one.once('error', () => other.destroy());
      one.once('close', () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}
