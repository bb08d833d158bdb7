/** A terminal (a pty), as a person has one: what is written to it can be stopped with Ctrl-S, and stays when nobody looks. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** Node cannot make one. It lives until its standard input ends. */
const MAKE = `
import os, pty, sys, threading
master, slave = pty.openpty()
print(os.ttyname(slave), flush=True)
def show():
    while True: os.write(1, os.read(master, 65536))
for line in sys.stdin:
    if line == "stop\\n": os.write(master, b"\\x13")
    if line == "go on\\n": os.write(master, b"\\x11")
    if line == "show\\n": threading.Thread(target=show, daemon=True).start()
    print(line, end="", flush=True)
`;

export class Terminal implements AsyncDisposable {
  /** For standard output and standard error of a process. */
  readonly fd: number;
  readonly #python: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(python: ChildProcess, lines: AsyncIterator<string>, path: string) {
    this.#python = python;
    this.#lines = lines;
    this.fd = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
  }

  static async open(): Promise<Terminal> {
    const python = spawn('python3', ['-c', MAKE], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: python.stdout as Readable })[Symbol.asyncIterator]();
    const { value: path } = await lines.next();
    if (path === undefined) throw new Error('python3 made no terminal');
    return new Terminal(python, lines, path);
  }

  /** `stop` is Ctrl-S and `go on` Ctrl-Q; it is not read before `show`. */
  async do(what: 'stop' | 'go on' | 'show'): Promise<void> {
    this.#python.stdin?.write(`${what}\n`);
    while ((await this.#lines.next()).value !== what);
  }

  /** Waits for it to show such a line. */
  async shown(pattern: RegExp): Promise<string> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done === true) throw new Error(`it ended without ${pattern}`);
      if (pattern.test(value)) return value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    closeSync(this.fd);
    this.#python.kill('SIGKILL');
    await once(this.#python, 'close');
  }
}
