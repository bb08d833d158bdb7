/**
 * Writes text to a file descriptor: in order, with a bounded buffer, and without ever making the caller wait. A pipe without a reader, a
 * stopped terminal or a full disk fills the buffer, but takes no time.
 */
import { close, fstatSync, write, writeSync } from 'node:fs';
import { isatty } from 'node:tty';

export interface OutputOptions {
  /**
   * `at once`: the kernel has it when `write` returns, unless it takes no more just now. `in background`: on Node's thread pool, for
   * what may keep its writer waiting, such as a disk; not for a pipe or a terminal, for a thread that waits for ever keeps the process
   * from ending.
   */
  readonly how: 'at once' | 'in background';
  /** Writing failed, and not only because it would have to wait. Called at each try. */
  readonly onError?: (error: NodeJS.ErrnoException) => void;
  /** All that waited is written. */
  readonly onDrained?: () => void;
  /** How many bytes may wait; default 1 MiB. */
  readonly maxBytes?: number;
}

type Write = (fd: number, chunk: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void) => void;

const MAX_BYTES = 1024 * 1024;
/** Small pieces are written together. */
const PIECE_BYTES = 64 * 1024;
/** A full pipe, socket or terminal is tried again: soon while somebody reads it, then less and less often. */
const FULL_RETRY_MS = 1;
const FULL_RETRY_MAX_MS = 50;
const ERROR_RETRY_MS = 1_000;
/** How long the end of the process waits for a slow reader: while it takes nothing, and in all. */
const EXIT_STALLED_MS = 250;
const EXIT_MS = 1_500;
const EXIT_RETRY_MS = 5;

export class Output {
  readonly #options: OutputOptions;
  readonly #write: Write;
  readonly #atExit = () => this.#flush();
  #fd: number;
  #queue: Buffer[] = [];
  /** Those in flight included. */
  #bytes = 0;
  #busy = false;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = FULL_RETRY_MS;
  /** Replaced while it was being written to. */
  #former: number | undefined;
  #onDrained: (() => void) | undefined;

  constructor(fd: number, options: OutputOptions) {
    this.#fd = fd;
    this.#options = options;
    this.#write = options.how === 'at once' ? writeNow : write;
    process.on('exit', this.#atExit);
  }

  /** @returns false when too much waits already, and this is dropped */
  write(text: string | Buffer): boolean {
    const chunk = typeof text === 'string' ? Buffer.from(text) : text;
    if (this.#bytes > 0 && this.#bytes + chunk.length > (this.#options.maxBytes ?? MAX_BYTES)) return false;
    this.#queue.push(chunk);
    this.#bytes += chunk.length;
    if (this.#retry === undefined) this.#pump();
    return true;
  }

  /** Writes to this file from now on, also what waits; the one before is closed. */
  redirect(fd: number): void {
    if (this.#busy && this.#former === undefined) this.#former = this.#fd;
    else close(this.#fd);
    this.#fd = fd;
    this.#tryAgain();
  }

  /** Waits until everything is written, at most so long. @returns whether it is */
  async drained(limitMs: number): Promise<boolean> {
    this.#tryAgain();
    if (this.#bytes > 0) {
      await new Promise<void>((resolve) => {
        const limit = setTimeout(resolve, limitMs);
        this.#onDrained = () => {
          clearTimeout(limit);
          resolve();
        };
      });
    }
    return this.#bytes === 0;
  }

  /** Writes no more. Standard output and standard error stay open. */
  close(): void {
    process.off('exit', this.#atExit);
    clearTimeout(this.#retry);
    this.#queue = [];
    if (this.#fd > 2 && !this.#busy) close(this.#fd);
  }

  #pump(): void {
    if (this.#busy) return;
    const chunk = this.#take();
    if (chunk === undefined) return;
    this.#busy = true;
    this.#write(this.#fd, chunk, (error, written) => {
      this.#busy = false;
      if (this.#former !== undefined) close(this.#former);
      this.#former = undefined;
      this.#wrote(chunk, written);
      if (error === null) this.#pump();
      else this.#failed(error);
    });
  }

  #take(): Buffer | undefined {
    let count = 0;
    for (let bytes = 0; count < this.#queue.length && bytes < PIECE_BYTES; count++) bytes += this.#queue[count]?.length ?? 0;
    const pieces = this.#queue.splice(0, count);
    return count > 1 ? Buffer.concat(pieces) : pieces[0];
  }

  #wrote(chunk: Buffer, written: number): void {
    this.#bytes -= written;
    if (written > 0) this.#retryMs = FULL_RETRY_MS;
    if (written < chunk.length) this.#queue.unshift(chunk.subarray(written));
    if (this.#bytes > 0) return;
    this.#onDrained?.();
    if (written > 0) this.#options.onDrained?.();
  }

  #failed(error: NodeJS.ErrnoException): void {
    const full = error.code === 'EAGAIN';
    if (!full) this.#options.onError?.(error);
    this.#retry = setTimeout(() => this.#tryAgain(), full ? this.#retryMs : ERROR_RETRY_MS).unref();
    this.#retryMs = Math.min(2 * this.#retryMs, FULL_RETRY_MAX_MS);
  }

  #tryAgain(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#pump();
  }

  /** The process ends, so writing must be synchronous now; writes in flight are still completed. */
  #flush(): void {
    const end = performance.now() + EXIT_MS;
    let stalled = performance.now() + EXIT_STALLED_MS;
    for (let chunk = this.#take(); chunk !== undefined; chunk = this.#take()) {
      const { failure, written } = tryWrite(this.#fd, chunk);
      this.#wrote(chunk, written);
      const now = performance.now();
      if (failure === null) {
        stalled = now + EXIT_STALLED_MS;
      } else if (failure.code !== 'EAGAIN' || now > stalled || now > end) {
        return;
      } else {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, EXIT_RETRY_MS);
      }
    }
  }
}

/** stdout (1) or stderr (2) of this process, whatever it is. */
export function standardOutput(fd: 1 | 2, options: Omit<OutputOptions, 'how'> = {}): Output {
  const kind = fstatSync(fd);
  if (!kind.isFIFO() && !kind.isSocket() && !isatty(fd)) return new Output(fd, { how: 'in background', ...options });
  unblock(fd);
  return new Output(fd, { how: 'at once', ...options });
}

/**
 * What is written to it does not wait, also what Node itself writes. Node makes pipes and sockets non-blocking when it opens them as streams.
 * A terminal it opens anew, so that others who have it are not concerned, and then lets it block: one that is stopped (Ctrl-S) would stop
 * the process. This costs nothing: to import `node:process` opens all three streams.
 */
function unblock(fd: 1 | 2): void {
  const stream: NodeJS.WriteStream & { readonly _handle?: StreamHandle } = fd === 1 ? process.stdout : process.stderr;
  stream.off('error', ignore).on('error', ignore);
  if (stream.isTTY) stream._handle?.setBlocking?.(false);
}

/** Node's own, not documented, and the same since Node 0.12. */
interface StreamHandle {
  setBlocking?(blocking: boolean): void;
}

const ignore = () => undefined;

const writeNow: Write = (fd, chunk, done) => {
  const { failure, written } = tryWrite(fd, chunk);
  done(failure, written);
};

function tryWrite(fd: number, chunk: Buffer): { readonly failure: NodeJS.ErrnoException | null; readonly written: number } {
  try {
    return { failure: null, written: writeSync(fd, chunk) };
  } catch (error) {
    return { failure: error as NodeJS.ErrnoException, written: 0 };
  }
}
