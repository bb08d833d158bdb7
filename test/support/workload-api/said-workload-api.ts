/** A Workload API that says what a test puts into its mouth, byte by byte, and nothing else. */
import { createServer } from 'node:net';
import type { MethodDefinition, ServerWritableStream } from '@grpc/grpc-js';
import type { X509SVIDResponse } from '../../../src/gen/messages.ts';
import { GrpcServer } from '../../../src/server/grpc-server.ts';
import { UnixListener } from '../../../src/server/unix-listener.ts';
import type { Input } from '../../../src/wire/wire.ts';
import { method } from '../../../src/wire/wire.ts';

type Call = ServerWritableStream<unknown, Input<X509SVIDResponse>>;

export class SaidWorkloadApi implements AsyncDisposable {
  readonly #calls = new Set<Call>();
  readonly #parts: AsyncDisposableStack;
  #said: Input<X509SVIDResponse>;

  private constructor(said: Input<X509SVIDResponse>, parts: AsyncDisposableStack) {
    this.#said = said;
    this.#parts = parts;
  }

  /** @param said what whoever asks is told at once */
  static async start(path: string, said: Input<X509SVIDResponse>): Promise<SaidWorkloadApi> {
    const parts = new AsyncDisposableStack();
    const api = new SaidWorkloadApi(said, parts);
    const definition: MethodDefinition<unknown, unknown> = method('SpiffeWorkloadAPI', 'FetchX509SVID');
    const implementation = { FetchX509SVID: (call: Call) => api.#open(call) };
    const server = new GrpcServer([{ definition: { FetchX509SVID: definition }, implementation, drain: () => undefined }]);
    parts.defer(() => server.close(100));
    const socket = createServer((connection) => server.accept(connection));
    const listener = await UnixListener.open({ path, mode: 0o600, setting: 'test', server: socket });
    parts.defer(() => listener.close());
    return api;
  }

  say(said: Input<X509SVIDResponse>): void {
    this.#said = said;
    for (const call of this.#calls) call.write(said);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const call of this.#calls) call.end();
    await this.#parts.disposeAsync();
  }

  #open(call: Call): void {
    this.#calls.add(call);
    call.on('cancelled', () => this.#calls.delete(call));
    call.write(this.#said);
  }
}
