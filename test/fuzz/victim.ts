/** A real sidecar process, and what can be seen of its health from outside. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** So little that V8 collects often, and that a leak ends the process. */
const SMALL_HEAP = ['--max-old-space-size=128', '--max-semi-space-size=2'];
const MAX_COMPLAINT = 500;
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts');

export class Victim implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #complaints: string[] = [];

  private constructor(child: ChildProcess) {
    this.#process = child;
  }

  /** Starts one and waits until it has an identity. */
  static async start(workloadApi: string, socket: string): Promise<Victim> {
    const configuration = `${socket}.yaml`;
    await writeFile(configuration, 'admin: { listen: "" }\n');
    const inherited = Object.entries(process.env).filter(([name]) => !/^(SPIFFE_|OTEL_|NODE_)/.test(name));
    const child = spawn(process.execPath, ['--disable-sigusr1', ...SMALL_HEAP, MAIN, 'serve'], {
      env: {
        ...Object.fromEntries(inherited),
        SPIFFE_ENDPOINT_SOCKET: workloadApi,
        SPIFFE_SDS_LISTEN: `unix://${socket}`,
        SPIFFE_SDS_CONFIG: configuration,
        SPIFFE_SDS_LOG_FORMAT: 'json',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const victim = new Victim(child);
    process.once('exit', victim.#kill);
    const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
    child.once('exit', (code, signal) => reject(new Error(`the sidecar ended at its start: ${code ?? signal}`)));
    let rest = '';
    // Not node:readline: it would end a line at U+2028, which may stand in a name, and so in JSON.
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      if (lines.some((line) => line.includes('"event":"svid_received"'))) resolve();
      // What it says is JSON, line by line; a stack trace or a warning of Node is not.
      victim.#complaints.push(...lines.filter((line) => !line.startsWith('{')).map((line) => line.slice(0, MAX_COMPLAINT)));
    });
    await ready;
    return victim;
  }

  /** Whether it has ended: a connection that it drops tells so a moment before the kernel does. */
  async ended(): Promise<boolean> {
    if (this.#isOver()) return true;
    const patience = AbortSignal.timeout(1_000);
    await once(this.#process, 'exit', { signal: patience }).catch(() => undefined);
    return this.#isOver();
  }

  /** What it wrote that is no line of its log: unhandled rejections, uncaught errors, warnings. */
  get complaints(): readonly string[] {
    return this.#complaints;
  }

  /** Resident memory. */
  memoryMb(): number {
    return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.#process.pid}/status`, 'utf8'))?.[1]) / 1024;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.off('exit', this.#kill);
    if (this.#isOver()) return;
    const exit = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    const impatience = setTimeout(this.#kill, 8_000);
    await exit;
    clearTimeout(impatience);
  }

  #isOver(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  readonly #kill = () => this.#process.kill('SIGKILL');
}
