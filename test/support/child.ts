import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';

/** A process that a test started: its output is kept, and it does not outlive the process of the test. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #news = new EventEmitter().setMaxListeners(0);
  #log = '';
  #exit: number | NodeJS.Signals | undefined;

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env) {
    const kill = () => this.#process.kill('SIGKILL');
    this.#process = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    process.once('exit', kill);
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#log += text;
        this.#news.emit('news');
      });
    }
    this.#process.once('error', (error) => {
      this.#log += `${error.message}\n`;
    });
    this.#process.once('close', (code, signal) => {
      process.off('exit', kill);
      this.#exit = code ?? signal ?? -1;
      this.#news.emit('news');
    });
  }

  /** What it wrote to stdout and stderr. */
  get log(): string {
    return this.#log;
  }

  /** @throws when it ends without having written that */
  async written(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#log);
      if (match !== null) return match;
      if (this.#exit !== undefined) throw new Error(`it ended (${this.#exit}) before it wrote ${pattern}:\n${this.#log}`);
      await once(this.#news, 'news');
    }
  }

  /** Waits for its end. Returns how it ended. */
  async ended(): Promise<number | NodeJS.Signals> {
    while (this.#exit === undefined) await once(this.#news, 'news');
    return this.#exit;
  }

  /** SIGTERM, and SIGKILL when that is not heeded within five seconds. Returns how it ended. */
  async stop(): Promise<number | NodeJS.Signals> {
    this.#process.kill('SIGTERM');
    const impatience = setTimeout(() => this.#process.kill('SIGKILL'), 5_000);
    const exit = await this.ended();
    clearTimeout(impatience);
    return exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}
