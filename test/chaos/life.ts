/** One life of a real sidecar process: it can be stopped, killed, and given a full disk, a wrong clock, or an output that nobody reads. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';

const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');
/** Of its first line, by which everybody starts it. */
const [, , , ...FLAGS] = readFileSync(MAIN, 'utf8').split('\n', 1)[0]?.split(' ') ?? [];
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 8_000;

export interface LifeOptions {
  readonly workloadApi: string;
  readonly socket: string;
  /** What stands in its configuration file, beside the socket; unless it says so, there is no admin API. */
  readonly configuration?: object;
  readonly env?: NodeJS.ProcessEnv;
  /** Of Node, beside those that everybody starts it with. */
  readonly flags?: readonly string[];
  /** Nobody reads its standard output, where audit lines go. */
  readonly stdoutUnread?: boolean;
  /** No file of it can be larger, as on a full disk. */
  readonly maxFileBytes?: number;
}

export class Life implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #stderr: string[] = [];
  readonly #stdout: string[] = [];
  readonly #kill = () => this.#process.kill('SIGKILL');

  private constructor(child: ChildProcess, stdoutUnread: boolean) {
    this.#process = child;
    process.once('exit', this.#kill);
    child.once('exit', () => process.off('exit', this.#kill));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => this.#stderr.push(text));
    if (!stdoutUnread) child.stdout?.setEncoding('utf8').on('data', (text: string) => this.#stdout.push(text));
  }

  /** Begins one, and waits until it listens. */
  static async begin(options: LifeOptions): Promise<Life> {
    const { workloadApi, socket, configuration = {}, env = {}, flags = [], stdoutUnread = false, maxFileBytes } = options;
    const file = `${socket}.yaml`;
    await writeFile(file, stringify({ admin: { listen: '' }, ...configuration }));
    const inherited = Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_|NODE_)/.test(name));
    const node = [process.execPath, '--disable-sigusr1', ...FLAGS, ...flags, MAIN, 'serve'];
    // In units of 512 bytes (POSIX sh). The signal would end it before it could hear of the error.
    const limited = `ulimit -f ${(maxFileBytes ?? 0) / 512}; trap '' XFSZ; exec "$@"`;
    const [command = '', ...args] = maxFileBytes === undefined ? node : ['/bin/sh', '-c', limited, 'sh', ...node];
    const child = spawn(command, args, {
      env: {
        ...Object.fromEntries(inherited),
        SPIFFE_ENDPOINT_SOCKET: workloadApi,
        SPIFFE_SDS_LISTEN: `unix://${socket}`,
        SPIFFE_SDS_CONFIG: file,
        SPIFFE_SDS_LOG_FORMAT: 'json',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const life = new Life(child, stdoutUnread);
    try {
      await life.says('"event":"listening"', START_LIMIT_MS);
      return life;
    } catch (error) {
      await life.kill();
      throw error;
    }
  }

  /** All that it wrote and somebody read. */
  get output(): string {
    return [...this.#stderr, ...this.#stdout].join('');
  }

  get isOver(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** What it wrote to its log that is no line of it: warnings and errors of Node. */
  get complaints(): readonly string[] {
    const lines = this.#stderr.join('').split('\n');
    return lines.slice(0, -1).filter((line) => !line.startsWith('{'));
  }

  /** Resident memory. */
  memoryMb(): number {
    return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.#process.pid}/status`, 'utf8'))?.[1]) / 1024;
  }

  /**
   * Waits until its log has that text `times` times.
   * @throws when it ends before
   */
  async says(text: string, limitMs: number, times = 1): Promise<void> {
    const signal = AbortSignal.timeout(limitMs);
    while (this.#stderr.join('').split(text).length <= times) {
      if (this.isOver || signal.aborted)
        throw new Error(`the sidecar did not say ${text}:\n${this.#stderr.join('').slice(-5_000)}`);
      const news = AbortSignal.any([signal, AbortSignal.timeout(1_000)]);
      if (this.#process.stderr !== null) await once(this.#process.stderr, 'data', { signal: news }).catch(() => undefined);
    }
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGHUP'): void {
    this.#process.kill(signal);
  }

  /** As kill -9 does. */
  kill(): Promise<number | NodeJS.Signals | null> {
    return this.#end('SIGKILL');
  }

  /** As SIGTERM does; and kill -9, when it does not end. Returns how it ended. */
  stop(): Promise<number | NodeJS.Signals | null> {
    return this.#end('SIGTERM');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #end(signal: NodeJS.Signals): Promise<number | NodeJS.Signals | null> {
    if (!this.isOver) {
      const exit = once(this.#process, 'exit');
      this.#process.kill(signal);
      this.#process.kill('SIGCONT');
      const impatience = setTimeout(this.#kill, STOP_LIMIT_MS);
      await exit;
      clearTimeout(impatience);
    }
    return this.#process.exitCode ?? this.#process.signalCode;
  }
}
