/** Lines that go out together, written into one buffer as they come: kept as strings, thousands of them would outlive their moment. */

const SIZE = 64 * 1024;
/** Of a character of a string in UTF-8. */
const MAX_BYTES_PER_CHARACTER = 3;

export class LineBatch {
  #buffer = Buffer.alloc(0);
  #length = 0;
  #lines = 0;

  get lines(): number {
    return this.#lines;
  }

  /** Whether there is room for this line; for a very long one there is when it is the first. */
  fits(line: string): boolean {
    return this.#lines === 0 || this.#length + line.length * MAX_BYTES_PER_CHARACTER <= this.#buffer.length;
  }

  /** A line that fits. */
  add(line: string): void {
    if (this.#lines === 0) this.#buffer = Buffer.allocUnsafe(Math.max(SIZE, line.length * MAX_BYTES_PER_CHARACTER));
    this.#length += this.#buffer.write(line, this.#length);
    this.#lines += 1;
  }

  /** All of them; it is empty then. */
  take(): Buffer {
    const taken = this.#buffer.subarray(0, this.#length);
    this.#buffer = Buffer.alloc(0);
    this.#length = 0;
    this.#lines = 0;
    return taken;
  }
}
