/** One call on one HTTP/2 stream: messages in, frames out, and a status at the end. */
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Peer } from '../../events.ts';
import type { Frame } from '../../wire/frame.ts';
import { MessageReader, type MessageSink } from './message-reader.ts';
import { GRPC, Status, trailersOf } from './status.ts';

/** What is done with a call. */
export interface CallHandler {
  /** @param bytes a whole message; they may be kept */
  message(bytes: Buffer): void;
  /** The client sends no more. */
  halfClosed(): void;
  /** All that was sent has left. */
  sent?(): void;
  /** The call is over, for this reason. Called once, and nothing is called after it. */
  closed(reason: string): void;
}

/** Begins to handle a call. The server keeps no headers. */
export type Method = (call: Call, headers: IncomingHttpHeaders) => CallHandler;

/** What a call asks of its connection. */
export interface CallOwner {
  readonly peer: Peer;
  readonly maxRequestBytes: number;
  /** An incomplete message takes so many more bytes of memory; negative: fewer. @returns whether it may */
  partialChanged(bytes: number): boolean;
  /** It was handed to HTTP/2. */
  sending(frame: Frame): void;
  /** It has left, or never will. */
  sent(frame: Frame): void;
  /** A call was answered once, or refused: not one that its client ends, or that we cannot serve. */
  ended(): void;
  /** A call of this path was ended: its request does not parse. */
  malformed(path: string, details: string): void;
  /** Its stream is closed. */
  callClosed(): void;
  /** Calls back in so many milliseconds, unless the returned function is called before. */
  after(ms: number, callback: () => void): () => void;
}

/** The longest time of a timer, 24 days: a call with a longer timeout has none. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** One array for all streams: node:http2 keeps it with each of them. */
const HEADERS = Object.entries(GRPC).flat();
const STREAMING = { waitForTrailers: true, sendDate: false };
const WHOLE = { endStream: true, sendDate: false };
const CANCELLED = 'the client cancelled it or its connection closed';

const CALL = Symbol('call');
type CallStream = ServerHttp2Stream & { [CALL]?: Call };

export class Call implements MessageSink {
  readonly #stream: CallStream;
  readonly #owner: CallOwner;
  readonly #reader = new MessageReader();
  #handler: CallHandler | undefined;
  /** Why it is over. */
  #reason: string | undefined;
  #halfClosed = false;
  /** Memory of the incomplete message, as reported to the owner. */
  #partial = 0;
  /** Frames that have not left: for most calls one at most. */
  #unsent: Frame | undefined;
  #unsentAfter: readonly Frame[] | undefined;
  #onSent: (() => void) | undefined;
  #trailers: Readonly<Record<string, string>> | undefined;
  #forgetDeadline: (() => void) | undefined;

  private constructor(stream: ServerHttp2Stream, owner: CallOwner) {
    this.#stream = stream;
    this.#owner = owner;
  }

  /** @param timeoutMs after that the call ends with DEADLINE_EXCEEDED; absent: never */
  static open(
    stream: CallStream,
    headers: IncomingHttpHeaders,
    owner: CallOwner,
    method: Method,
    timeoutMs: number | undefined,
  ): void {
    const call = new Call(stream, owner);
    stream[CALL] = call;
    stream.on('close', onClose).on('end', onEnd).on('data', onData);
    const handler = method(call, headers);
    if (call.#reason === undefined) call.#handler = handler;
    else handler.closed(call.#reason);
    if (timeoutMs !== undefined && timeoutMs <= MAX_TIMER_MS && call.open) {
      const late = () => call.end(Status.DEADLINE_EXCEEDED, 'the deadline of the call has passed');
      call.#forgetDeadline = owner.after(timeoutMs, late);
    }
  }

  get peer(): Peer {
    return this.#owner.peer;
  }

  /** Whether it has not ended yet. */
  get open(): boolean {
    return this.#reason === undefined;
  }

  /** Sends one message; its bytes must not change any more. Nothing happens once the call is over. */
  send(frame: Frame): void {
    const stream = this.#stream;
    if (!this.open || stream.destroyed || stream.closed) return;
    if (!stream.headersSent) stream.respond(HEADERS, STREAMING);
    if (this.#unsent === undefined) this.#unsent = frame;
    else this.#unsentAfter = [...(this.#unsentAfter ?? []), frame];
    this.#onSent ??= () => this.#sent();
    stream.write(frame, this.#onSent);
    this.#owner.sending(frame);
  }

  /**
   * Ends the call once all that was sent has left.
   * @param details to the client, unless the code is OK; and to the handler, as the reason
   */
  end(code: number, details: string): void {
    if (!this.open) return;
    const stream = this.#stream;
    if (!stream.destroyed && !stream.closed) {
      this.#trailers = trailersOf(code, details);
      if (stream.headersSent) stream.once('wantTrailers', onWantTrailers).end();
      else respondWhole(stream, { ...GRPC, ...this.#trailers }, this.#halfClosed);
    }
    this.#over(details);
    if (code !== Status.OK && code !== Status.UNAVAILABLE) this.#owner.ended();
  }

  /** Sends the only message, and ends the call. */
  answer(frame: Frame): void {
    if (!this.open) return;
    this.send(frame);
    this.end(Status.OK, 'it was answered');
    this.#owner.ended();
  }

  /** Ends a call of this path with INVALID_ARGUMENT, and reports it. */
  malformed(path: string, details: string): void {
    this.#owner.malformed(path, details);
    this.end(Status.INVALID_ARGUMENT, details);
  }

  /** Of the reader. */
  message(bytes: Buffer): void {
    this.#handler?.message(bytes);
  }

  /** Of the stream, as what follows: so all streams share their listeners. */
  read(chunk: Buffer): void {
    if (!this.open) return;
    const failure = this.#reader.read(chunk, this.#owner.maxRequestBytes, this);
    if (failure !== undefined) this.end(failure.code, failure.details);
    else if (this.open && !this.#tellPartial()) {
      this.end(Status.RESOURCE_EXHAUSTED, 'this connection sends too much of messages that are not whole');
    }
  }

  readEnd(): void {
    // node:http2 ends the readable side of a stream that was reset, too.
    if (this.#stream.closed) return;
    this.#halfClosed = true;
    if (this.#reader.held > 0) this.end(Status.INTERNAL, 'the last message is cut short');
    else this.#handler?.halfClosed();
  }

  sendTrailers(): void {
    if (this.#stream.destroyed || this.#stream.closed || this.#trailers === undefined) return;
    this.#stream.sendTrailers(this.#trailers);
    // They are sent in a setImmediate of node:http2.
    if (!this.#halfClosed) setImmediate(letGo, this.#stream);
  }

  close(): void {
    this.#over(CANCELLED);
    for (const frame of [this.#unsent, ...(this.#unsentAfter ?? [])]) if (frame !== undefined) this.#owner.sent(frame);
    this.#unsent = undefined;
    this.#unsentAfter = undefined;
    this.#owner.callClosed();
  }

  #over(reason: string): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#forgetDeadline?.();
    this.#reader.clear();
    this.#tellPartial();
    const handler = this.#handler;
    this.#handler = undefined;
    handler?.closed(reason);
  }

  #sent(): void {
    const frame = this.#unsent;
    if (frame === undefined) return;
    [this.#unsent, ...this.#unsentAfter] = this.#unsentAfter ?? [];
    this.#owner.sent(frame);
    if (this.#unsent === undefined) this.#handler?.sent?.();
  }

  #tellPartial(): boolean {
    const { held } = this.#reader;
    const more = held - this.#partial;
    this.#partial = held;
    return more === 0 || this.#owner.partialChanged(more);
  }
}

/**
 * Answers with headers only.
 * @param halfClosed whether the client sends no more
 */
export function respondWhole(stream: ServerHttp2Stream, headers: Readonly<Record<string, string>>, halfClosed: boolean): void {
  stream.respond(headers, WHOLE);
  if (!halfClosed) letGo(stream);
}

/** RST_STREAM(NO_ERROR), so that nothing is kept of a stream whose client would go on sending (RFC 9113, section 8.1). */
function letGo(stream: ServerHttp2Stream): void {
  if (!stream.destroyed) stream.close();
}

function onData(this: CallStream, chunk: Buffer): void {
  this[CALL]?.read(chunk);
}

function onEnd(this: CallStream): void {
  this[CALL]?.readEnd();
}

function onWantTrailers(this: CallStream): void {
  this[CALL]?.sendTrailers();
}

function onClose(this: CallStream): void {
  this[CALL]?.close();
}
