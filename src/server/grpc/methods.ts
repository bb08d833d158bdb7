/** Methods that take one request. It is handled when it is there: what a client says after that changes nothing. */
import type { IncomingHttpHeaders } from 'node:http2';
import type { Frame } from '../../wire/frame.ts';
import { MalformedMessage } from '../../wire/wire-format.ts';
import type { Call, CallHandler, Method } from './call.ts';
import { type Failure, Status } from './status.ts';

export interface OneRequest<Request> {
  /** @throws MalformedMessage, which ends the call with INVALID_ARGUMENT before it is handled */
  readonly decode: (bytes: Buffer) => Request;
  /** Looks at the metadata. @returns what the call ends with at once. Default: nothing is looked at. */
  readonly admit?: (headers: IncomingHttpHeaders) => Failure | undefined;
}

export interface UnaryMethod<Request> extends OneRequest<Request> {
  /** The response, or why there is none. */
  readonly answer: (request: Request, call: Call) => Frame | Failure | Promise<Frame | Failure>;
}

export interface ServerStreamingMethod<Request> extends OneRequest<Request> {
  /** Begins to send. @returns what is called once the call is over */
  readonly open: (request: Request, call: Call) => () => void;
}

/** One request, one response. */
export function unary<Request>({ answer, ...method }: UnaryMethod<Request>): Method {
  const handle = (request: Request, call: Call) => {
    const answered = answer(request, call);
    if (answered instanceof Promise) void answered.then((settled) => reply(call, settled));
    else reply(call, answered);
    return ignore;
  };
  return (call, headers) => new SingleRequest(call, headers, method, handle);
}

/** One request, any number of responses. */
export function serverStreaming<Request>({ open, ...method }: ServerStreamingMethod<Request>): Method {
  return (call, headers) => new SingleRequest(call, headers, method, open);
}

const ignore = () => undefined;

function reply(call: Call, answer: Frame | Failure): void {
  if (Buffer.isBuffer(answer)) call.answer(answer);
  else call.end(answer.code, answer.details);
}

class SingleRequest<Request> implements CallHandler {
  readonly #call: Call;
  readonly #path: string;
  readonly #method: OneRequest<Request>;
  readonly #handle: (request: Request, call: Call) => () => void;
  /** Undefined until the request is here. */
  #onClosed: (() => void) | undefined;

  constructor(
    call: Call,
    headers: IncomingHttpHeaders,
    method: OneRequest<Request>,
    handle: (request: Request, call: Call) => () => void,
  ) {
    this.#call = call;
    this.#path = headers[':path'] ?? '';
    this.#method = method;
    this.#handle = handle;
    const refusal = method.admit?.(headers);
    if (refusal !== undefined) call.end(refusal.code, refusal.details);
  }

  message(bytes: Buffer): void {
    if (this.#onClosed !== undefined) {
      this.#call.end(Status.INTERNAL, 'this method takes one request, and a second came');
      return;
    }
    let request: Request;
    try {
      request = this.#method.decode(bytes);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.#call.malformed(this.#path, error.message);
      return;
    }
    this.#onClosed = this.#handle(request, this.#call);
    if (!this.#call.open) this.#onClosed();
  }

  halfClosed(): void {
    if (this.#onClosed === undefined) this.#call.end(Status.INTERNAL, 'this method takes one request, and none came');
  }

  closed(): void {
    this.#onClosed?.();
  }
}
