/**
 * A Unix socket that appears complete: it is bound inside a folder that only this user may enter, gets its group there, and is then linked
 * to its path. It never has a wrong mode, and nobody can connect earlier. The path is the lock: link(2) fails when the path exists, and a
 * socket whose process is dead refuses connections. So when two processes start at once one of them fails, no lock is left behind, and no
 * privilege or shared namespace is needed. The socket of a successor is never removed.
 */
import { randomBytes } from 'node:crypto';
import { type BigIntStats, constants, mkdirSync } from 'node:fs';
import { access, chmod, lchown, link, lstat, rename, rmdir, stat, unlink } from 'node:fs/promises';
import { connect, createServer, type ListenOptions, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { fixFor, processUser } from '../errno.ts';
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

/** By the error of the system call: what to do about it. */
const FIXES: Readonly<Record<string, string>> = {
  EACCES: 'let this user write in that folder, or run as the user who may (in a pod: an emptyDir and fsGroup)',
  EPERM: 'this user may not set that mode or group: run it as a member of the group, or set no group',
  EROFS: 'the file system is read-only: mount a writable volume there (in a pod: an emptyDir)',
  ENOTDIR: 'a part of that path is not a folder',
  EEXIST: 'a part of that path is not a folder',
};
/** Short, because the path of a socket has at most 107 bytes: not longer than `sds.sock`. */
const RANDOM_BYTES = 3;
const SOCKET = 's';
/** In messages: of a folder by `hiddenFolder`, and of the socket in it. */
const HIDDEN = /\/\.[\w-]{4}(?:\/s)?(?=')/g;
const TRIES = 10;
const KEEPS_NOTHING = 'the file system there does not keep modes and owners, so anybody might connect: choose a path on another';

interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
}

export class UnixListener {
  readonly #options: UnixListenerOptions;
  #identity: Identity;

  private constructor(options: UnixListenerOptions, identity: Identity) {
    this.#options = options;
    this.#identity = identity;
  }

  /** @throws SpiffeSdsError `listen_failed` naming the path, the user and the fix */
  static async open(options: UnixListenerOptions): Promise<UnixListener> {
    return new UnixListener(options, await appear(options, 'refuse'));
  }

  /**
   * Tries what `open` does, and leaves nothing behind. Another process that answers at the path is no reason to refuse.
   * @throws SpiffeSdsError as `open` does
   */
  static async rehearse(options: Omit<UnixListenerOptions, 'server'>): Promise<void> {
    const { path } = options;
    try {
      const folder = dirname(path);
      if ((await stat(folder).catch(unlessMissing)) === undefined) return await rehearseFolder(folder, options);
      await refuseIfTaken(path, 'replace', options.setting);
      const hidden = hiddenFolder(folder);
      const server = createServer();
      try {
        await bind(server, join(hidden, SOCKET), options);
      } finally {
        server.close();
        await remove(hidden);
      }
    } catch (error) {
      throw failure(error, path);
    }
  }

  /** Why nobody can connect by the path any more. Undefined: the socket is there, and it is this one. */
  async lost(): Promise<string | undefined> {
    const found = await lstat(this.#options.path, { bigint: true }).catch(codeOf);
    if (found === 'ENOENT' || found === 'ENOTDIR') return 'it was removed';
    if (typeof found === 'string') return `it cannot be reached any more: ${found}`;
    if (isSame(found, this.#identity)) return undefined;
    return found.isSocket()
      ? `another socket, of uid ${found.uid}, is in its place`
      : `something that is not a socket, of uid ${found.uid}, is in its place`;
  }

  /**
   * Listens again at the path, which is ours: also in the place of another living socket. Open connections stay open.
   * @throws SpiffeSdsError as `open` does
   */
  async restore(): Promise<void> {
    this.#options.server.close();
    this.#identity = await appear(this.#options, 'replace');
  }

  /** Accepts no more, and removes the file unless another process has put its own there. */
  async close(): Promise<void> {
    const { server, path } = this.#options;
    server.close();
    const found = await lstat(path, { bigint: true }).catch(() => undefined);
    if (found !== undefined && isSame(found, this.#identity)) await unlink(path).catch(() => undefined);
  }
}

/** Whether anybody may put something else in the place of what is in this folder. */
export async function isOpenToAll(folder: string): Promise<boolean> {
  const found = await stat(folder).catch(() => undefined);
  return found !== undefined && (found.mode & 0o1002) === 0o0002;
}

/** @param living what to do with one that answers at the path */
async function appear(options: UnixListenerOptions, living: 'refuse' | 'replace'): Promise<Identity> {
  const { path, server, setting } = options;
  let hidden: string | undefined;
  try {
    const folder = dirname(path);
    await makeFolder(folder, options);
    await refuseIfTaken(path, living, setting);
    hidden = hiddenFolder(folder);
    const socket = join(hidden, SOCKET);
    const identity = await bind(server, socket, options);
    await take(path, socket, living, setting);
    await remove(hidden);
    return identity;
  } catch (error) {
    server.close();
    if (hidden !== undefined) await remove(hidden);
    throw failure(error, path);
  }
}

function failure(error: unknown, path: string): SpiffeSdsError {
  // The hidden folder has a random name, which helps nobody.
  const reason = messageOf(error).replaceAll(HIDDEN, '');
  const message = `cannot listen on unix://${path} as ${processUser()}: ${reason}${fixFor(error, FIXES)}`;
  return new SpiffeSdsError('listen_failed', message, { cause: error });
}

/** Listens with the mode and the group, whatever the umask. @throws when the file system does not keep them */
async function bind(server: Server, socket: string, options: Pick<UnixListenerOptions, 'mode' | 'gid'>): Promise<Identity> {
  const { mode, gid } = options;
  await listenWithMode(server, socket, mode);
  if (gid !== undefined) await lchown(socket, -1, gid);
  const identity = await lstat(socket, { bigint: true });
  refuseIfUnlike(identity, options);
  return identity;
}

/**
 * For the group of the socket, and for everybody to pass through when everybody may use the socket. Only where nobody else decides what is
 * there: in a parent that is this user's or root's.
 */
async function makeFolder(folder: string, { mode, gid, setting }: UnixListenerOptions): Promise<void> {
  if ((await stat(folder).catch(unlessMissing)) !== undefined) return;
  await refuseParent(folder, setting);
  try {
    withUmask(0, () => mkdirSync(folder, (mode & 0o002) === 0 ? 0o750 : 0o751));
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return;
    throw error;
  }
  if (gid !== undefined) await lchown(folder, -1, gid);
}

async function rehearseFolder(folder: string, { setting }: Pick<UnixListenerOptions, 'setting'>): Promise<void> {
  await refuseParent(folder, setting);
  await access(dirname(folder), constants.W_OK | constants.X_OK);
}

async function refuseParent(folder: string, setting: string): Promise<void> {
  const parent = dirname(folder);
  const mend = `make it for this user, or choose another path (${setting})`;
  const found = await stat(parent).catch(unlessMissing);
  if (found === undefined) throw new Error(`its folder ${folder} is not there, nor is ${parent}: ${mend}`);
  if (found.uid !== 0 && found.uid !== process.geteuid?.())
    throw new Error(`its folder ${folder} is not there, and ${parent} belongs to uid ${found.uid}: ${mend}`);
}

function unlessMissing(error: unknown): undefined {
  if (codeOf(error) !== 'ENOENT') throw error;
}

/** Some file systems do not keep what they are told. It has no name yet. */
function refuseIfUnlike(found: BigIntStats, { mode, gid }: Pick<UnixListenerOptions, 'mode' | 'gid'>): void {
  const [foundMode, uid] = [Number(found.mode & 0o777n), process.geteuid?.()];
  if (foundMode !== mode)
    throw new Error(`the socket got mode ${foundMode.toString(8)}, not ${mode.toString(8)}: ${KEEPS_NOTHING}`);
  if (Number(found.uid) !== uid) throw new Error(`the socket belongs to uid ${found.uid}, not to ${uid}: ${KEEPS_NOTHING}`);
  if (gid !== undefined && Number(found.gid) !== gid)
    throw new Error(`the socket belongs to gid ${found.gid}, not to ${gid}: ${KEEPS_NOTHING}`);
}

/** One that only this user may enter, whatever the umask. */
function hiddenFolder(folder: string): string {
  for (let tries = TRIES; ; tries--) {
    const name = join(folder, `.${randomBytes(RANDOM_BYTES).toString('base64url')}`);
    try {
      withUmask(0o077, () => mkdirSync(name, 0o700));
      return name;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' || tries === 0) throw error;
    }
  }
}

/** The socket has its mode from the start: in a folder that others may write to, a later chmod could follow somebody else's link. */
async function listenWithMode(server: Server, path: string, mode: number): Promise<void> {
  // The socket is bound before `listen` returns.
  await withUmask(~mode & 0o777, () => listen(server, { path }));
  // Where the folder has a default ACL, the kernel ignores the umask.
  if (((await lstat(path)).mode & 0o777) !== mode) await chmod(path, mode);
}

function withUmask<T>(mask: number, run: () => T): T {
  const before = process.umask(mask);
  try {
    return run();
  } finally {
    process.umask(before);
  }
}

/** Links the socket to its path. Removes what a dead process left there, and nothing else. */
async function take(path: string, socket: string, living: 'refuse' | 'replace', setting: string): Promise<void> {
  for (let tries = TRIES; ; tries--) {
    try {
      await link(socket, path);
      return;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' || tries === 0) throw error;
      await makeWay(path, `${socket}.old`, living, setting);
    }
  }
}

async function makeWay(path: string, aside: string, living: 'refuse' | 'replace', setting: string): Promise<void> {
  const stale = await refuseIfTaken(path, living, setting);
  if (stale === undefined) return;
  try {
    await rename(path, aside);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    return;
  }
  if (isSame(await lstat(aside, { bigint: true }), stale)) {
    await unlink(aside);
    return;
  }
  // Another socket appeared just now. It gets its path back, unless a third has taken it.
  await link(aside, path).then(
    () => unlink(aside),
    () => rename(aside, path),
  );
}

/** @returns what is there, unless that is nothing */
async function refuseIfTaken(path: string, living: 'refuse' | 'replace', setting: string): Promise<Identity | undefined> {
  const found = await lstat(path, { bigint: true }).catch(() => undefined);
  if (found === undefined) return undefined;
  if (!found.isSocket())
    throw new Error(
      `${found.isSymbolicLink() ? 'a symbolic link' : 'something that is not a socket'} is there: remove it, or choose another path (${setting})`,
    );
  if (living === 'refuse' && (await answers(path)))
    throw new Error(`another process answers there: stop it, or choose another path (${setting})`);
  return found;
}

/** Whether a living process serves there. A refused connection means that its process is dead. Any other error (full backlog, no permission) comes from a living one. */
export function answers(path: string): Promise<boolean> {
  const probe = connect(path);
  return new Promise((resolve) => {
    probe.once('connect', () => resolve(true));
    probe.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT'));
  }).finally(() => probe.destroy()) as Promise<boolean>;
}

async function remove(hidden: string): Promise<void> {
  await unlink(join(hidden, SOCKET)).catch(() => undefined);
  await rmdir(hidden).catch(() => undefined);
}

function isSame(a: Identity, b: Identity): boolean {
  return a.ino === b.ino && a.dev === b.dev;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? messageOf(error);
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
