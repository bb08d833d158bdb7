/** Looks at the path of a Unix socket as whoever connects would meet it. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { requireCredentialsReader } from '../../server/peer-credentials.ts';
import type { Ownership, SocketFacts } from '../facts.ts';

/** Whether somebody takes connections is found out; whether they answer is not. */
export async function probeSocket(path: string): Promise<SocketFacts> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => error.code);
  if (found === 'EACCES') return { state: 'forbidden', folders: await foldersAbove(path) };
  if (found === undefined || typeof found === 'string') return { state: 'missing', folder: existsSync(dirname(path)) };
  if (found.isDirectory()) return { state: 'folder' };
  if (!found.isSocket()) return { state: 'file' };
  const ownership: Ownership = {
    uid: found.uid,
    gid: found.gid,
    mode: found.mode & 0o7777,
    folders: await foldersAbove(path),
  };
  const met = await connecting(path);
  if (typeof met !== 'string') return { state: 'answers', ...ownership, ...met };
  switch (met) {
    case 'EACCES':
      return { state: 'forbidden', ...ownership };
    case 'EAGAIN':
      return { state: 'silent', ...ownership };
    default:
      return { state: 'nobody_listens', ...ownership };
  }
}

/** @returns the code of the error; or who listens */
async function connecting(path: string): Promise<string | { readonly pid?: number }> {
  const reader = await requireCredentialsReader().catch(() => undefined);
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    const pid = reader?.(socket)?.credentials.pid ?? 0;
    // 0: it is in a namespace that this process does not see.
    return pid === 0 ? {} : { pid };
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';
  } finally {
    socket.destroy();
  }
}

/** Those that can be looked at. */
async function foldersAbove(path: string): Promise<Ownership['folders']> {
  const folders: Ownership['folders'][number][] = [];
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const found = await stat(folder).catch(() => undefined);
    if (found !== undefined) folders.push({ path: folder, uid: found.uid, gid: found.gid, mode: found.mode & 0o7777 });
    if (folder === dirname(folder)) return folders;
  }
}
