import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

/** A few lines of TypeScript as a process of its own, whose output is only read when the test asks for it. */
export class Program implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown[]>;

  /** @param source may await at its top level, and ends by itself or with the test */
  constructor(source: string) {
    const args = ['--input-type=module-typescript', '--eval', source];
    this.#process = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#ended = once(this.#process, 'exit');
    this.stdin.on('error', () => undefined);
  }

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  get stdin(): Writable {
    return this.#process.stdin as Writable;
  }

  get stdout(): Readable {
    return this.#process.stdout as Readable;
  }

  get stderr(): Readable {
    return this.#process.stderr as Readable;
  }

  /** How it ended. */
  async ended(): Promise<unknown> {
    const [code, signal] = await this.#ended;
    return code ?? signal;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#ended;
  }
}

/** All that comes until its end. */
export async function textOf(stream: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

/** The first bytes that come. */
export async function firstOf(stream: Readable): Promise<string> {
  const [chunk] = await once(stream, 'data');
  return String(chunk);
}
