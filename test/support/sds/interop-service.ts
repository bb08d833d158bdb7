/** What clients of other languages call: methods of messages that are bytes. */
import { createServer } from 'node:net';
import type { Call, CallHandler, Method } from '../../../src/server/grpc/call.ts';
import { GrpcServer, type GrpcServerOptions } from '../../../src/server/grpc/grpc-server.ts';
import { serverStreaming, unary } from '../../../src/server/grpc/methods.ts';
import { Status } from '../../../src/server/grpc/status.ts';
import { UnixListener } from '../../../src/server/unix-listener.ts';
import { frameOf } from '../../../src/wire/frame.ts';

/** Of what Fail ends with: a line break, a percent sign, and what is no ASCII. */
export const DETAILS = 'no „Schlüssel“ for 50 %\n\u{1f511}';
/** Bytes of the messages that Count answers with. */
export const COUNTED = [0, 1, 100, 16_384, 70_000, 300_000];
/** What Shared answers with, to everybody the same bytes. */
const SHARED = frameOf(Buffer.alloc(100_000));
const SHUTTING_DOWN = 'another takes its place';

const decode = (bytes: Buffer) => bytes;

export class InteropServer implements AsyncDisposable {
  /** Why calls ended, as Chat and Never heard it. */
  readonly closed: string[] = [];
  readonly server: GrpcServer;
  readonly #calls = new Set<Call>();
  #listener: UnixListener | undefined;
  #onClose: () => void = () => undefined;

  private constructor(options: GrpcServerOptions) {
    this.server = new GrpcServer([{ methods: this.#methods, drain: () => this.#drain() }], options);
  }

  static async start(path: string, options: GrpcServerOptions = {}): Promise<InteropServer> {
    const interop = new InteropServer(options);
    const server = createServer((socket) => interop.server.accept(socket));
    interop.#listener = await UnixListener.open({ path, mode: 0o600, setting: 'test', server });
    return interop;
  }

  /** Resolves when a client says "close" in Chat. */
  toldToClose(): Promise<void> {
    return new Promise((resolve) => {
      this.#onClose = resolve;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#listener?.close();
    await this.server.close(5_000);
  }

  get #methods(): Readonly<Record<string, Method>> {
    return {
      '/interop.Test/Echo': unary({ decode, answer: (bytes) => frameOf(bytes) }),
      '/interop.Test/Shared': unary({ decode, answer: () => SHARED }),
      '/interop.Test/Fail': unary({ decode, answer: () => ({ code: Status.NOT_FOUND, details: DETAILS }) }),
      '/interop.Test/Count': serverStreaming({
        decode,
        open(_, call) {
          for (const bytes of COUNTED) call.send(frameOf(Buffer.alloc(bytes)));
          call.end(Status.OK, '');
          return () => undefined;
        },
      }),
      '/interop.Test/Never': (call) => this.#chat(call, false),
      '/interop.Test/Chat': (call) => this.#chat(call, true),
    };
  }

  #chat(call: Call, answers: boolean): CallHandler {
    this.#calls.add(call);
    return {
      message: (bytes) => {
        if (answers) call.send(frameOf(bytes));
        if (bytes.toString() === 'close') this.#onClose();
      },
      halfClosed() {
        if (answers) call.end(Status.OK, 'the client ended it');
      },
      closed: (reason) => {
        this.#calls.delete(call);
        this.closed.push(reason);
      },
    };
  }

  #drain(): void {
    for (const call of this.#calls) call.end(Status.UNAVAILABLE, SHUTTING_DOWN);
  }
}
