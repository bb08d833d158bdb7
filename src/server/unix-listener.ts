/**
 * A Unix socket that appears whole: bound under a temporary name, given its mode and group, then renamed into place. There is no moment
 * with a wrong mode, a file left behind by a dead process is replaced, and a successor's socket is never removed.
 */
import { chmod, chown, lstat, mkdir, rename, unlink } from 'node:fs/promises';
import { connect, type ListenOptions, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { messageOf, SpiffeSdsError } from '../error.ts';

export interface UnixListenerOptions {
  /** Absolute. */
  readonly path: string;
  /** Permission bits, such as 0o660. */
  readonly mode: number;
  /** The group that owns the file; absent: that of the process. */
  readonly gid?: number;
  /** The setting that names the path, for messages. */
  readonly setting: string;
  /** Accepts what comes. It listens from now on, and is closed with this. */
  readonly server: Server;
}

/** What was in the way, and what to do about it. */
const MENDS: Readonly<Record<string, string>> = {
  EACCES: 'let this user write in that folder, or run as the user who may (in a pod: an emptyDir and fsGroup)',
  EPERM: 'this user may not set that mode or group: run it as a member of the group, or set no group',
  EROFS: 'the file system is read-only: mount a writable volume there (in a pod: an emptyDir)',
  ENOTDIR: 'a part of that path is not a folder',
  EEXIST: 'a part of that path is not a folder',
};

export class UnixListener {
  readonly #server: Server;
  readonly #path: string;
  readonly #inode: bigint;

  private constructor(server: Server, path: string, inode: bigint) {
    this.#server = server;
    this.#path = path;
    this.#inode = inode;
  }

  /** @throws SpiffeSdsError `listen_failed` naming the path, the user and the mend */
  static async open({ path, mode, gid, setting, server }: UnixListenerOptions): Promise<UnixListener> {
    // Short, for a socket's path has at most 107 bytes.
    const temporary = join(dirname(path), `.${process.pid}`);
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o755 });
      await refuseIfTaken(path, setting);
      await unlink(temporary).catch(() => undefined);
      await listen(server, { path: temporary });
      if (gid !== undefined) await chown(temporary, -1, gid);
      await chmod(temporary, mode);
      const { ino } = await lstat(temporary, { bigint: true });
      await rename(temporary, path);
      return new UnixListener(server, path, ino);
    } catch (error) {
      server.close();
      await unlink(temporary).catch(() => undefined);
      const mend = MENDS[(error as NodeJS.ErrnoException).code ?? ''];
      const user = `uid ${process.getuid?.()}, gid ${process.getgid?.()}`;
      const message = `cannot listen on unix://${path} as ${user}: ${messageOf(error)}${mend === undefined ? '' : `: ${mend}`}`;
      throw new SpiffeSdsError('listen_failed', message, { cause: error });
    }
  }

  /** Accepts no more, and removes the file unless another process has put its own there. */
  async close(): Promise<void> {
    this.#server.close();
    const found = await lstat(this.#path, { bigint: true }).catch(() => undefined);
    if (found?.ino === this.#inode) await unlink(this.#path).catch(() => undefined);
  }
}

async function refuseIfTaken(path: string, setting: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket())
    throw new Error(`something that is not a socket is there: remove it, or choose another path (${setting})`);
  if (await answers(path)) throw new Error(`another process answers there: stop it, or choose another path (${setting})`);
}

/** Refused is dead; anything else, a full backlog or a missing permission, comes from a living one. */
function answers(path: string): Promise<boolean> {
  const probe = connect(path);
  return new Promise((resolve) => {
    probe.once('connect', () => resolve(true));
    probe.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  }).finally(() => probe.destroy()) as Promise<boolean>;
}

/** Resolves when it listens, rejects with what is in the way. */
export function listen(server: Server, where: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
