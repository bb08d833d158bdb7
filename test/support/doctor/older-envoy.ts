/**
 * An Envoy of another version, as far as doctor meets it: the admin interface of a real one, which says another version of itself. The oldest
 * Envoy that PyPI has is one that spiffe-sds supports.
 */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export class OlderEnvoy implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @param adminUrl of the real one */
  static async of(adminUrl: string, version: string): Promise<OlderEnvoy> {
    const server = createServer(async (request, response) => {
      const real = await fetch(`${adminUrl}${request.url}`);
      const text = await real.text();
      response.writeHead(real.status, { 'content-type': 'application/json' });
      response.end(request.url === '/server_info' ? text.replace(/("version": *"[^/"]+\/)[^/"]+/, `$1${version}`) : text);
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return new OlderEnvoy(server);
  }

  get adminUrl(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((closed) => this.#server.close(closed));
  }
}
