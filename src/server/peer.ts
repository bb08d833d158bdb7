/** Who is at the other end of a connection. */
import type { Socket } from 'node:net';
import type { Peer, PeerCredentials } from '../events.ts';

/** What the kernel says of a peer. */
export type PeerIdentity = Required<Pick<Peer, 'groups'>> & { readonly credentials: PeerCredentials };

/** Undefined when the kernel does not tell. */
export type CredentialsReader = (socket: Socket) => PeerIdentity | undefined;

/** Known by its number at once, by its credentials as soon as there is something to read them with. */
export class ConnectedPeer implements Peer {
  readonly connection: number;
  readonly #socket: Socket;
  #identity: PeerIdentity | undefined;

  constructor(connection: number, socket: Socket) {
    this.connection = connection;
    this.#socket = socket;
  }

  get credentials(): PeerCredentials | undefined {
    return this.#identity?.credentials;
  }

  get groups(): readonly number[] | undefined {
    return this.#identity?.groups;
  }

  /** Only while the connection is open: afterwards there is nobody to ask about. */
  identify(read: CredentialsReader): void {
    this.#identity ??= read(this.#socket);
  }

  /** What the kernel says of its socket. */
  ask<Answer>(question: (socket: Socket) => Answer): Answer {
    return question(this.#socket);
  }

  toJSON(): object {
    return { connection: this.connection, ...this.credentials };
  }
}
