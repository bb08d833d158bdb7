import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';

/** Shorter than a test's, so that what the test started still ends with it. */
const TIME_LIMIT_MS = 30_000;

/** What stands before a command to run it as another user, and as his group; only root can. */
export function asUser(uid: number): readonly string[] {
  return ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
}

/** A process that a test started: its output is kept, and it does not outlive the process of the test. */
export class Child implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #news = new EventEmitter().setMaxListeners(0);
  #log = '';
  readonly #counts = new Map<string, { upTo: number; count: number }>();
  #exit: number | NodeJS.Signals | undefined;

  /** @param output a file descriptor that takes its stdout and stderr; absent: they are kept as `log` */
  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env, output: number | 'pipe' = 'pipe') {
    const kill = () => this.#process.kill('SIGKILL');
    this.#process = spawn(command, args, { env, stdio: ['ignore', output, output] });
    process.once('exit', kill);
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      // Whole lines: what comes from one of them in two parts must not have a line of the other in between.
      let rest = '';
      const keep = (text: string) => {
        this.#log += text;
        this.#news.emit('news');
      };
      stream?.setEncoding('utf8').on('data', (text: string) => {
        const end = text.lastIndexOf('\n') + 1;
        if (end > 0) keep(rest + text.slice(0, end));
        rest = end > 0 ? text.slice(end) : rest + text;
      });
      stream?.once('end', () => keep(rest));
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

  get pid(): number {
    return this.#process.pid ?? -1;
  }

  /** What it wrote to stdout and stderr. */
  get log(): string {
    return this.#log;
  }

  /** How often it has written this so far; each part of its output is looked at once. */
  count(text: string): number {
    const known = this.#counts.get(text) ?? { upTo: 0, count: 0 };
    for (let at = this.#log.indexOf(text, known.upTo); at !== -1; at = this.#log.indexOf(text, known.upTo)) {
      known.upTo = at + text.length;
      known.count += 1;
    }
    this.#counts.set(text, known);
    return known.count;
  }

  /** @throws as `told` does */
  written(pattern: RegExp): Promise<RegExpExecArray> {
    return this.told(String(pattern), () => pattern.exec(this.#log) ?? undefined);
  }

  /**
   * @param probe finds it in the log, undefined when it is not there yet
   * @throws when it ends without having written that, and after `TIME_LIMIT_MS`
   */
  async told<T>(what: string, probe: () => T | undefined): Promise<T> {
    const signal = AbortSignal.timeout(TIME_LIMIT_MS);
    for (;;) {
      const found = probe();
      if (found !== undefined) return found;
      if (this.#exit !== undefined || signal.aborted) {
        const end = signal.aborted ? `${TIME_LIMIT_MS} ms have passed` : `it ended (${this.#exit})`;
        throw new Error(`${end} before it wrote ${what}:\n${this.#log}`);
      }
      await once(this.#news, 'news', { signal }).catch(() => {});
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
