/** Lines that are written together, kept in one buffer: as strings, thousands of them would live longer and cost the garbage collector. */
import type { LineWriter } from './audit-line.ts';

const SIZE = 64 * 1024;
/** Of a character of a string in UTF-8. */
const MAX_BYTES_PER_CHARACTER = 3;
/** Of the number of a stream. */
const MAX_DIGITS = 16;

export interface LineBatchOptions {
  /** Before the first of some lines. */
  readonly onFirst: () => void;
  /** There is no room for the next line: take these. */
  readonly onFull: () => void;
}

export class LineBatch implements LineWriter {
  readonly #options: LineBatchOptions;
  #buffer = Buffer.alloc(0);
  #length = 0;
  #lines = 0;

  constructor(options: LineBatchOptions) {
    this.#options = options;
  }

  get lines(): number {
    return this.#lines;
  }

  line(text: string): void {
    this.#makeRoom(text.length * MAX_BYTES_PER_CHARACTER);
    this.#length += this.#buffer.write(text, this.#length);
  }

  parts(head: Buffer, middle: Buffer, stream: number, tail: Buffer): void {
    this.#makeRoom(head.length + middle.length + MAX_DIGITS + tail.length);
    this.#buffer.set(head, this.#length);
    this.#buffer.set(middle, this.#length + head.length);
    this.#length += head.length + middle.length;
    this.#length += this.#buffer.write(String(stream), this.#length);
    this.#buffer.set(tail, this.#length);
    this.#length += tail.length;
  }

  /** All of them; it is empty then. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#length);
    this.#buffer = Buffer.alloc(0);
    this.#length = 0;
    this.#lines = 0;
    return taken;
  }

  /** For one more line. */
  #makeRoom(bytes: number): void {
    if (this.#lines > 0 && this.#length + bytes > this.#buffer.length) this.#options.onFull();
    if (this.#lines === 0) {
      this.#buffer = Buffer.allocUnsafe(Math.max(SIZE, bytes));
      this.#options.onFirst();
    }
    this.#lines += 1;
  }
}
