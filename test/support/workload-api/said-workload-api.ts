/** A Workload API that says what a test puts into its mouth, byte by byte, and nothing else. */
import { createServer } from 'node:net';
import type { X509SVIDResponse } from '../../../src/gen/messages.ts';
import type { Call } from '../../../src/server/grpc/call.ts';
import { GrpcServer } from '../../../src/server/grpc/grpc-server.ts';
import { serverStreaming } from '../../../src/server/grpc/methods.ts';
import { Status } from '../../../src/server/grpc/status.ts';
import { UnixListener } from '../../../src/server/unix-listener.ts';
import { frameOf } from '../../../src/wire/frame.ts';
import { decode, encode, type Input } from '../../../src/wire/wire.ts';

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
    const fetch = serverStreaming({
      decode: (bytes) => decode('X509SVIDRequest', bytes),
      open: (_, call) => api.#open(call),
    });
    const server = new GrpcServer([{ methods: { '/SpiffeWorkloadAPI/FetchX509SVID': fetch }, drain: () => undefined }]);
    parts.defer(() => server.close(100));
    const socket = createServer((connection) => server.accept(connection));
    const listener = await UnixListener.open({ path, mode: 0o600, setting: 'test', server: socket });
    parts.defer(() => listener.close());
    return api;
  }

  say(said: Input<X509SVIDResponse>): void {
    this.#said = said;
    for (const call of this.#calls) call.send(frame(said));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const call of this.#calls) call.end(Status.OK, '');
    await this.#parts.disposeAsync();
  }

  #open(call: Call): () => void {
    this.#calls.add(call);
    call.send(frame(this.#said));
    return () => this.#calls.delete(call);
  }
}

function frame(said: Input<X509SVIDResponse>): Buffer {
  return frameOf(encode('X509SVIDResponse', said));
}
