/** A connection for the calls about all workloads. */
import { type Client, connectivityState, type MethodDefinition } from '@grpc/grpc-js';
import { type FetchListener, openCall } from '../workload-api/stream-call.ts';

/** One that was left takes no part in later calls, and closes with the last of those that are open. */
export class Connection {
  readonly #client: Client;
  #calls = 0;
  #left = false;

  constructor(client: Client) {
    this.#client = client;
  }

  /** Whether it stands now. */
  get isUp(): boolean {
    return this.#client.getChannel().getConnectivityState(false) === connectivityState.READY;
  }

  /** Opens a call, as `openCall` does. */
  open<Request, Message>(
    called: MethodDefinition<Request, Message>,
    request: Request,
    header: string | undefined,
    listener: FetchListener<Message>,
  ): () => void {
    this.#calls += 1;
    let open = true;
    const over = () => {
      if (!open) return;
      open = false;
      this.#calls -= 1;
      this.#closeWhenOver();
    };
    const cancel = openCall(this.#client, called, request, header, {
      message: (message) => listener.message(message),
      end: (code, details) => {
        over();
        listener.end(code, details);
      },
    });
    return () => {
      cancel();
      over();
    };
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#closeWhenOver();
  }

  #closeWhenOver(): void {
    if (this.#left && this.#calls === 0) this.#client.close();
  }
}
