/** A server as a process of its own, and what the kernel says it costs. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

/** Megabytes of a process. */
export interface Memory {
  readonly resident: number;
  /** What no other process shares: what each further pod costs. */
  readonly private: number;
  /** Resident, at its highest. */
  readonly peak: number;
}

/** A process as it is measured. */
export interface Measured {
  memoryMb(): Memory;
  /** User and system time of all its threads, in microseconds. */
  cpuUs(): number;
}

export class ServerProcess implements Measured, AsyncDisposable {
  readonly #child: ChildProcess;
  #stopping = false;

  /**
   * @param args after those of Node
   * @param part what the process is started for: the process ends when that is aborted, and aborts it when it ends by itself
   */
  constructor(args: readonly string[], env: NodeJS.ProcessEnv, part: AbortController) {
    part.signal.throwIfAborted();
    this.#child = spawn(process.execPath, args, {
      env: { ...env, MALLOC_ARENA_MAX: '1' },
      stdio: 'ignore',
    });
    process.once('exit', this.#kill);
    part.signal.addEventListener('abort', this.#kill);
    this.#child.once('exit', (code, signal) => {
      process.off('exit', this.#kill);
      part.signal.removeEventListener('abort', this.#kill);
      // Nobody could measure on, or would want to wait.
      if (!this.#stopping || code !== 0) part.abort(new Error(`${args.join(' ')} ended with ${code ?? signal}`));
    });
  }

  memoryMb(): Memory {
    return memoryMb(this.#child.pid ?? 0);
  }

  cpuUs(): number {
    // Not from stat, which counts in steps of 10 ms. Node's threads live as long as the process.
    const tasks = `/proc/${this.#child.pid}/task`;
    const ns = readdirSync(tasks).map((task) => Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ', 1)[0]));
    return ns.reduce((sum, each) => sum + each, 0) / 1_000;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    const exit = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const impatience = setTimeout(this.#kill, 8_000);
    await exit;
    clearTimeout(impatience);
  }

  readonly #kill = () => this.#child.kill('SIGKILL');
}

/** Memory of a process, from /proc. */
export function memoryMb(pid: number): Memory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mb = (text: string, name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024;
  return { resident: mb(status, 'VmRSS'), private: mb(rollup, 'Anonymous'), peak: mb(status, 'VmHWM') };
}
