/** The Unix socket of a development service. */
import { createServer, type Server } from 'node:net';
import type { GrpcServer } from '../server/grpc/grpc-server.ts';
import { UnixListener } from '../server/unix-listener.ts';

export interface DevSocketOptions {
  readonly path: string;
  /** Permissions of the socket. */
  readonly mode: number;
  /** What to change when it cannot listen there. */
  readonly setting: string;
  /** Answers the calls. */
  readonly grpc: GrpcServer;
  /** Takes the connections. Default: gives each to `grpc`. */
  readonly server?: Server;
}

/** Open calls get so long to end. */
const GRACE_MS = 50;

export class DevSocket {
  readonly #listener: UnixListener;
  readonly #grpc: GrpcServer;

  private constructor(listener: UnixListener, grpc: GrpcServer) {
    this.#listener = listener;
    this.#grpc = grpc;
  }

  /** @throws SpiffeSdsError `listen_failed` when the socket cannot be had */
  static async open({
    grpc,
    server = createServer((socket) => grpc.accept(socket)),
    ...where
  }: DevSocketOptions): Promise<DevSocket> {
    return new DevSocket(await UnixListener.open({ ...where, server }), grpc);
  }

  async close(): Promise<void> {
    await this.#listener.close();
    await this.#grpc.close(GRACE_MS);
  }
}
