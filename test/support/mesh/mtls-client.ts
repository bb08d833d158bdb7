import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import type { TLSSocket } from 'node:tls';

/** PEM texts: a chain with its leaf first, and its key. */
export interface TlsIdentity {
  readonly chainPem: string;
  readonly keyPem: string;
}

export interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingMessage['headers'];
  /** The serial number of the server's certificate, hexadecimal. */
  readonly serverSerial: string;
  /** Tells one connection from another. */
  readonly localPort: number | undefined;
}

/** One client of a server that shows a SPIFFE ID: it keeps its connection open between its requests. */
export class MtlsClient implements Disposable {
  readonly #agent: Agent;
  readonly #port: number;

  /**
   * @param identity left out: it shows no certificate
   * @param sni server name indication; left out: none
   */
  constructor(port: number, server: string, bundlePem: string, identity?: TlsIdentity, sni = '') {
    this.#port = port;
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: 1,
      maxCachedSessions: 0,
      ca: bundlePem,
      servername: sni,
      ...(identity === undefined ? {} : { cert: identity.chainPem, key: identity.keyPem }),
      checkServerIdentity: (_host, { subjectaltname }) =>
        subjectaltname === `URI:${server}` ? undefined : new Error(`the server is ${subjectaltname}, not ${server}`),
    });
  }

  /** @throws when the connection is refused, by either side. */
  async get(): Promise<Answer> {
    const sent = request({ host: '127.0.0.1', port: this.#port, agent: this.#agent }).end();
    const [response] = (await once(sent, 'response')) as [IncomingMessage];
    const socket = response.socket as TLSSocket;
    const { localPort } = socket;
    const { serialNumber } = socket.getPeerCertificate();
    response.resume();
    await once(response, 'end');
    return { status: response.statusCode, headers: response.headers, serverSerial: serialNumber, localPort };
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
