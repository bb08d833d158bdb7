/** One HTTP/2 connection: its calls, and the limits for its peer. */
import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';
import type { Clock } from '../../clock.ts';
import type { Peer } from '../../events.ts';
import { initialRate, type Rate, type RateLimit, take } from '../../rate.ts';
import type { Frame } from '../../wire/frame.ts';
import { BAD_CLIENT_MAGIC } from '../http2-preface.ts';
import type { ConnectedPeer } from '../peer.ts';
import { Budget, type SharedBudget } from './budget.ts';
import { Call, type CallOwner, type Method, respondWhole } from './call.ts';
import { CallAllowance, headerListBytes } from './call-allowance.ts';
import type { GrpcLimits } from './limits.ts';
import { readHead } from './request-head.ts';

export interface ConnectionOptions {
  readonly limits: GrpcLimits;
  readonly methods: ReadonlyMap<string, Method>;
  readonly clock: Clock;
  /** Of all connections. */
  readonly partial: SharedBudget;
  readonly unsent: SharedBudget;
  readonly calls: SharedBudget;
  /** All connections together use too much memory, for incoming or outgoing messages, or for calls. */
  readonly onOverdrawn: () => void;
  /** What all connections of its user may do. It is asked each time, because the user may become known. */
  readonly userAllowance: () => CallAllowance;
  /** All connections of its user together do too much. */
  readonly onUserExceeds: (tooMuch: string) => void;
  readonly listener: Pick<ConnectionListener, 'broken' | 'malformed'>;
}

export interface ConnectionListener {
  opened(peer: Peer): void;
  closed(peer: Peer): void;
  /** It was closed at once, because there are too many. */
  refused(peer: Peer): void;
  /** It does not speak HTTP/2, and is closed. */
  notHttp2(peer: Peer): void;
  /** It is closed because of what its peer sent, or failed to send. */
  broken(peer: Peer, reason: string): void;
  /** A call of this path that takes one request was ended: its request does not parse. */
  malformed(peer: Peer, path: string, details: string): void;
}

/** nghttp2's own: what a connection may reset at once, and each second after that. */
const MIN_RESET_BURST = 1_000;
const MIN_RESETS_PER_SECOND = 33;
/** Enough for an Envoy that drops all its listeners once a minute. */
const RESET_REFILL_SECONDS = 60;
const ignore = () => undefined;

export class Connection implements CallOwner {
  readonly peer: ConnectedPeer;
  readonly partial: Budget;
  readonly unsent: Budget;
  readonly #open: Budget;
  readonly #allowance: CallAllowance;
  readonly #socket: Socket;
  readonly #session: ServerHttp2Session;
  readonly #options: ConnectionOptions;
  /** Frames that have not left, with the number of calls that send them. */
  readonly #frames = new Map<Frame, number>();
  readonly #controlLimit: RateLimit;
  #controlRate: Rate;
  #draining = false;

  constructor(socket: Socket, peer: ConnectedPeer, options: ConnectionOptions) {
    const { limits, clock } = options;
    this.peer = peer;
    this.#socket = socket;
    this.#options = options;
    this.partial = new Budget(options.partial);
    this.unsent = new Budget(options.unsent);
    this.#open = new Budget(options.calls);
    this.#allowance = new CallAllowance(limits, clock);
    const { maxStreamsPerConnection, headerBytes, controlFramesPerSecond } = limits;
    this.#controlLimit = { burst: 10 * controlFramesPerSecond, perSecond: controlFramesPerSecond };
    this.#controlRate = initialRate(this.#controlLimit, clock.monotonic());
    const resets = resetLimits(maxStreamsPerConnection);
    this.#session = performServerHandshake(socket, {
      ...resets,
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
      settings: { maxConcurrentStreams: maxStreamsPerConnection, maxHeaderListSize: headerBytes, enablePush: false },
    });
    this.#follow(resets.streamResetBurst);
  }

  /** Resolves when the socket is closed. */
  get closed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.closed) resolve();
      else this.#socket.once('close', () => resolve());
    });
  }

  /** Whether a stream of its peer is open. */
  get inUse(): boolean {
    return this.calls > 0;
  }

  /** Streams of its peer that are open. */
  get calls(): number {
    return this.#open.used;
  }

  /** The share that is left of the calls and headers that its peer may begin at once, from 0 to 1. */
  get allowance(): number {
    return this.#allowance.left;
  }

  get maxRequestBytes(): number {
    return this.#options.limits.maxRequestBytes;
  }

  partialChanged(bytes: number): boolean {
    const { limits, partial, onOverdrawn } = this.#options;
    this.partial.change(bytes);
    if (bytes > 0 && partial.used > limits.partialBytes) onOverdrawn();
    return this.partial.used <= limits.partialBytesPerConnection;
  }

  sending(frame: Frame): void {
    const calls = this.#frames.get(frame);
    this.#frames.set(frame, (calls ?? 0) + 1);
    if (calls !== undefined) return;
    const { limits, unsent, onOverdrawn } = this.#options;
    this.unsent.change(frame.length);
    // One message may be as large as it must be.
    const tooMuch = this.#frames.size > 1 && this.unsent.used > limits.unsentBytesPerConnection;
    if (tooMuch) this.break('it does not read what it is sent');
    else if (unsent.used > limits.unsentBytes) onOverdrawn();
  }

  sent(frame: Frame): void {
    const calls = this.#frames.get(frame) ?? 1;
    if (calls > 1) {
      this.#frames.set(frame, calls - 1);
      return;
    }
    this.#frames.delete(frame);
    this.unsent.change(-frame.length);
  }

  ended(): void {
    this.#heed((allowance) => allowance.end());
  }

  malformed(path: string, details: string): void {
    this.#options.listener.malformed(this.peer, path, details);
  }

  callClosed(): void {
    this.#open.change(-1);
    if (this.#draining && this.calls === 0) this.#socket.destroySoon();
  }

  after(ms: number, callback: () => void): () => void {
    return this.#options.clock.after(ms, callback);
  }

  /** Closes it because of what its peer does, and reports that. */
  break(reason: string): void {
    this.release();
    if (this.#session.destroyed) return;
    this.#session.destroy(new Error(reason), constants.NGHTTP2_ENHANCE_YOUR_CALM);
    this.#options.listener.broken(this.peer, reason);
  }

  /** Takes no new calls (GOAWAY), and closes once those that are open have ended. */
  drain(): void {
    this.#draining = true;
    this.#session.close();
    if (this.calls === 0) this.#socket.destroySoon();
  }

  /** Closes once what is written has left. */
  close(): void {
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** It is closed or closing: its share of the limits goes to the others. */
  release(): void {
    this.partial.close();
    this.unsent.close();
    this.#open.close();
  }

  #follow(streamResetBurst: number): void {
    const { limits, clock } = this.#options;
    const session = this.#session;
    const forgetHandshake = clock.after(limits.handshakeMs, () => {
      this.break(`it has not begun to speak HTTP/2 within ${limits.handshakeMs / 1_000} s`);
    });
    session.once('close', forgetHandshake);
    session.once('remoteSettings', forgetHandshake);
    session.on('remoteSettings', () => this.#control());
    session.on('ping', () => this.#control());
    session.on('stream', (stream, headers, _flags, rawHeaders) => this.#begin(stream, headers, headerListBytes(rawHeaders)));
    session.on('error', ({ code, errno }: NodeJS.ErrnoException) => {
      if (code === 'ERR_HTTP2_ERROR') this.#options.listener.broken(this.peer, whyBroken(errno, streamResetBurst));
    });
  }

  #control(): void {
    const rate = take(this.#controlLimit, this.#controlRate, this.#options.clock.monotonic());
    if (rate === undefined) this.break(`it sends more than ${this.#controlLimit.perSecond} PING and SETTINGS frames a second`);
    else this.#controlRate = rate;
  }

  #begin(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, headerBytes: number): void {
    stream.on('error', ignore);
    const { methods, limits, calls, onOverdrawn } = this.#options;
    // nghttp2 keeps this bound only with a peer that acknowledges our SETTINGS.
    if (headerBytes > limits.headerBytes) {
      this.break(`the headers of a call have ${headerBytes} bytes, the limit is ${limits.headerBytes}`);
      return;
    }
    this.#heed((allowance) => allowance.begin(headerBytes));
    // Its connection was ended just now, or it was reset before we heard of it.
    if (stream.destroyed || stream.closed) return;
    this.#open.change(1);
    if (calls.used > limits.maxCalls) onOverdrawn();
    if (stream.destroyed) return;
    const head = readHead(headers, methods);
    if (head.kind === 'call') {
      Call.open(stream, headers, this, head.method, head.timeoutMs);
      return;
    }
    stream.once('close', () => this.callClosed());
    respondWhole(stream, head.headers, stream.endAfterHeaders);
    this.ended();
  }

  #heed(takeFrom: (allowance: CallAllowance) => string | undefined): void {
    const mine = takeFrom(this.#allowance);
    const ofUser = takeFrom(this.#options.userAllowance());
    if (mine !== undefined) this.break(`it ${mine}`);
    else if (ofUser !== undefined) this.#options.onUserExceeds(ofUser);
  }
}

interface ResetLimits {
  readonly streamResetBurst: number;
  readonly streamResetRate: number;
}

/** A connection that resets more is closed: to open streams and reset them costs the peer next to nothing (CVE-2023-44487). */
function resetLimits(maxStreams: number): ResetLimits {
  const streamResetBurst = Math.max(MIN_RESET_BURST, maxStreams);
  const streamResetRate = Math.max(MIN_RESETS_PER_SECOND, Math.ceil(streamResetBurst / RESET_REFILL_SECONDS));
  return { streamResetBurst, streamResetRate };
}

/** nghttp2 does not say which rule of the protocol was broken. */
function whyBroken(errno: number | undefined, streamResetBurst: number): string {
  return errno === BAD_CLIENT_MAGIC
    ? 'it does not speak HTTP/2: an Envoy needs http2_protocol_options in the cluster of this socket'
    : `it broke the rules of HTTP/2, or reset more than ${streamResetBurst} streams within a minute (sds.limits.streams_per_connection)`;
}
