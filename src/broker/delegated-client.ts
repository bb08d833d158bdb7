/**
 * Calls the Delegated Identity API on the admin socket of an agent of SPIRE. The agent attests who asks; there is no TLS, and no metadata.
 */
import { credentials, status } from '@grpc/grpc-js';
import { type Endpoint, formatEndpoint } from '../endpoint.ts';
import { whyUnreachable } from '../unreachable.ts';
import { method } from '../wire/wire.ts';
import { connectingClient, type Fetch } from '../workload-api/stream-call.ts';
import { Connection } from './connection.ts';
import type { DelegatedCalls, DelegatedMethod } from './delegated-source.ts';

const SERVICE = 'spire.api.agent.delegatedidentity.v1.DelegatedIdentity';

/** All calls share one connection. */
export class DelegatedIdentityClient implements DelegatedCalls {
  readonly address: string;
  readonly #endpoint: Endpoint;
  #connection: Connection | undefined;

  /** @param endpoint the admin socket of the agent */
  constructor(endpoint: Endpoint) {
    this.#endpoint = endpoint;
    this.address = formatEndpoint(endpoint);
  }

  fetch<Message>(name: DelegatedMethod, request: object = {}): Fetch<Message> {
    const called = method<object, Message>(SERVICE, name);
    return (listener) => {
      this.#connection ??= new Connection(connectingClient(this.#endpoint, credentials.createInsecure()));
      const connection = this.#connection;
      return connection.open<object, Message>(called, request, undefined, {
        message: (message) => listener.message(message),
        end: (code, details) => {
          // The agent says UNAVAILABLE of a process, too, on a connection that stands.
          const isLost = code === status.UNAVAILABLE && !connection.isUp;
          // What comes next shall find a socket that was replaced.
          if (isLost) this.#leave(connection);
          listener.end(code, isLost ? whyUnreachable(this.#endpoint, details) : details);
        },
      });
    };
  }

  /** Closes the connection once the calls on it have ended. */
  [Symbol.dispose](): void {
    this.#leave(this.#connection);
  }

  #leave(connection: Connection | undefined): void {
    if (this.#connection === connection) this.#connection = undefined;
    connection?.leave();
  }
}
