/**
 * The processes at the other end of Unix sockets on a kernel without SO_PEERPIDFD (Linux 5.3 to 6.4), for those who accept what that is worth
 * (node.allow_without_pidfd). The pid that connected is opened as soon as the connection is accepted. Whoever has that pid then must run as the
 * user that connected; from there on it is held, and its pid is its own.
 *
 * What remains: a process connects, hands the connection to another one, and ends; before the connection is accepted its pid goes to a further
 * process of the same user, which is then taken for the one that connected.
 */
import { closeSync, readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Libc } from './libc.ts';
import type { CredentialsReader } from './peer.ts';

/** pidfd_open(2), the same number on every architecture. */
const PIDFD_OPEN = 434;

export class ProcessesByPid {
  readonly #libc: Pick<Libc, 'syscall'>;
  readonly #credentials: CredentialsReader;
  readonly #readStatus: (pid: number) => string;
  /** Nobody has asked for these yet. */
  readonly #held = new WeakMap<Socket, number>();

  /** @param readStatus /proc/PID/status */
  constructor(
    libc: Pick<Libc, 'syscall'>,
    credentials: CredentialsReader,
    readStatus = (pid: number) => readFileSync(`/proc/${pid}/status`, 'utf8'),
  ) {
    this.#libc = libc;
    this.#credentials = credentials;
    this.#readStatus = readStatus;
  }

  /** Opens the process of a connection that was accepted just now. */
  accepted(socket: Socket): void {
    const { pid = 0, uid = 0 } = this.#credentials(socket)?.credentials ?? {};
    const pidfd = pid > 0 ? this.#libc.syscall(PIDFD_OPEN, pid, 0) : -1;
    if (pidfd < 0) return;
    if (!this.#isOf(pid, uid)) {
      closeSync(pidfd);
      return;
    }
    this.#held.set(socket, pidfd);
    socket.once('close', () => {
      const unused = this.take(socket);
      if (unused !== undefined) closeSync(unused);
    });
  }

  /** A pidfd, which the caller closes. Undefined: there is none, or it was taken before. */
  take(socket: Socket): number | undefined {
    const pidfd = this.#held.get(socket);
    this.#held.delete(socket);
    return pidfd;
  }

  /** Read while its pidfd is open: what has this pid now either is that process, or that one has ended, which its pidfd tells. */
  #isOf(pid: number, uid: number): boolean {
    try {
      const [, ...uids] = /^Uid:\s+(\d+)\s+(\d+)/m.exec(this.#readStatus(pid)) ?? [];
      return uids.includes(String(uid));
    } catch {
      return false;
    }
  }
}
