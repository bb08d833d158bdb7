/** Who is at the other end of a connection. */
import type { Socket } from 'node:net';
import type { Peer, PeerCredentials } from '../events.ts';

/** All that decides what a peer may have. */
export interface PeerIdentity {
  readonly credentials: PeerCredentials;
  /** Its supplementary groups (SO_PEERGROUPS), at the time when it connected. */
  readonly groups: readonly number[];
}

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

  get identity(): PeerIdentity | undefined {
    return this.#identity;
  }

  /** Only while the connection is open: afterwards there is nobody to ask about. */
  identify(read: CredentialsReader): void {
    this.#identity ??= read(this.#socket);
  }

  toJSON(): object {
    return { connection: this.connection, ...this.credentials };
  }
}
