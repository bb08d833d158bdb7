/**
 * The process at the other end of a Unix socket, held by a pidfd (SO_PEERPIDFD, Linux 6.5): the kernel gives a pid to another
 * process as soon as the first is gone, but never a pidfd. An older kernel is good enough for who says so (processes-by-pid.ts).
 */
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { getSystemErrorName } from 'node:util';
import type { Clock } from '../clock.ts';
import { type Libc, loadLibc, SOL_SOCKET, SocketOption } from './libc.ts';
import { fdOf, requireCredentialsReader } from './peer-credentials.ts';
import { ProcessesByPid } from './processes-by-pid.ts';

export interface PeerProcess extends Disposable {
  /** Valid for as long as this is open. The process may have ended: ask `ended` after whatever was read by pid. */
  readonly pidfd: number;
  /** Whether it has ended, as the kernel says now. */
  readonly ended: boolean;
  /** Calls back once when it has ended, at most `LOOK_MS` later, also when it had before. The returned function forgets that. */
  onEnded(callback: () => void): () => void;
  /** Closes the pidfd. No callback is called any more. */
  close(): void;
}

/** All processes are checked with one call of poll(2) that does not wait. */
export const LOOK_MS = 250;

const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 0o2000001;
const PIDFD_BYTES = 4;
/** struct pollfd, in units of two bytes: int fd, short events, short revents. */
const POLLFD = { size: 4, fd: 0, events: 2, revents: 3 } as const;
const POLLIN = 1;

export interface PeerProcessesOptions {
  /** Takes a kernel without SO_PEERPIDFD, too. Default: false. */
  readonly allowWithoutPidfd?: boolean;
  /** Default: that of this process. */
  readonly libc?: Libc;
}

export class PeerProcesses {
  readonly #libc: Libc;
  readonly #clock: Clock;
  readonly #byPid: ProcessesByPid | undefined;
  readonly #watched = new Map<HeldProcess, Set<() => void>>();
  #cancelLook: (() => void) | undefined;

  private constructor(libc: Libc, clock: Clock, byPid?: ProcessesByPid) {
    this.#libc = libc;
    this.#clock = clock;
    this.#byPid = byPid;
  }

  /** Whether the kernel says only which pid connected. */
  get withoutPidfd(): boolean {
    return this.#byPid !== undefined;
  }

  /**
   * Asks for a pidfd of this process, to see whether the kernel has them.
   * @throws Error where it has not, or koffi cannot be loaded
   */
  static async load(clock: Clock, options: PeerProcessesOptions = {}): Promise<PeerProcesses> {
    if (process.platform !== 'linux') throw new Error(`there is no SO_PEERPIDFD on ${process.platform}`);
    const { allowWithoutPidfd = false, libc = await loadLibc() } = options;
    const failed = (what: string) => new Error(`${what}: ${getSystemErrorName(-libc.errno())}`);
    const pair = new Int32Array(2);
    if (libc.socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, pair) !== 0) throw failed('socketpair');
    try {
      const pidfd = pidfdOf(pair[0] ?? -1, libc);
      if (pidfd === undefined && allowWithoutPidfd)
        return new PeerProcesses(libc, clock, new ProcessesByPid(libc, await requireCredentialsReader()));
      if (pidfd === undefined) throw failed('SO_PEERPIDFD, which takes Linux 6.5');
      closeSync(pidfd);
    } finally {
      for (const fd of pair) closeSync(fd);
    }
    return new PeerProcesses(libc, clock);
  }

  /** To be called with each connection, at once. */
  accepted(socket: Socket): void {
    this.#byPid?.accepted(socket);
  }

  /** @returns undefined when the socket is closed, or the kernel no longer knows who connected it */
  of(socket: Socket): PeerProcess | undefined {
    const fd = fdOf(socket);
    if (fd === undefined) return undefined;
    const pidfd = this.#byPid === undefined ? pidfdOf(fd, this.#libc) : this.#byPid.take(socket);
    return pidfd === undefined ? undefined : new HeldProcess(pidfd, this);
  }

  /** Those of `processes` that have ended, in one call that does not wait. */
  endedOf(processes: readonly HeldProcess[]): readonly HeldProcess[] {
    const pollfds = new Int16Array(processes.length * POLLFD.size);
    const fds = new Int32Array(pollfds.buffer);
    for (const [index, { pidfd }] of processes.entries()) {
      fds[(index * POLLFD.size) / 2 + POLLFD.fd] = pidfd;
      pollfds[index * POLLFD.size + POLLFD.events] = POLLIN;
    }
    if (processes.length === 0 || this.#libc.poll(pollfds, processes.length, 0) <= 0) return [];
    return processes.filter((_, index) => pollfds[index * POLLFD.size + POLLFD.revents] !== 0);
  }

  /** Of a process. */
  watch(process: HeldProcess, callback: () => void): () => void {
    const callbacks = this.#watched.get(process) ?? new Set();
    this.#watched.set(process, callbacks.add(callback));
    this.#lookLater();
    return () => {
      callbacks.delete(callback);
      if (callbacks.size === 0) this.forget(process);
    };
  }

  /** Of a process. */
  forget(process: HeldProcess): void {
    this.#watched.delete(process);
    if (this.#watched.size > 0) return;
    this.#cancelLook?.();
    this.#cancelLook = undefined;
  }

  #lookLater(): void {
    this.#cancelLook ??= this.#clock.after(LOOK_MS, () => {
      this.#cancelLook = undefined;
      for (const process of this.endedOf([...this.#watched.keys()])) {
        const callbacks = this.#watched.get(process) ?? [];
        this.#watched.delete(process);
        for (const callback of callbacks) callback();
      }
      if (this.#watched.size > 0) this.#lookLater();
    });
  }
}

class HeldProcess implements PeerProcess {
  readonly pidfd: number;
  readonly #processes: PeerProcesses;
  #open = true;

  constructor(pidfd: number, processes: PeerProcesses) {
    this.pidfd = pidfd;
    this.#processes = processes;
  }

  get ended(): boolean {
    return this.#open && this.#processes.endedOf([this]).length > 0;
  }

  onEnded(callback: () => void): () => void {
    return this.#processes.watch(this, () => callback());
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#processes.forget(this);
    closeSync(this.pidfd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function pidfdOf(fd: number, { getsockopt }: Libc): number | undefined {
  const pidfd = new Uint32Array(1);
  const length = Uint32Array.of(PIDFD_BYTES);
  return getsockopt(fd, SOL_SOCKET, SocketOption.PEERPIDFD, pidfd, length) === 0 ? pidfd[0] : undefined;
}
