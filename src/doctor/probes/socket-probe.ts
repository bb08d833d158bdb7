/** Looks at the path of a Unix socket as whoever connects would meet it. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import type { Ownership, SocketFacts } from '../facts.ts';

/** Whether somebody takes connections is found out; whether they answer is not. */
export async function probeSocket(path: string): Promise<SocketFacts> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => error.code);
  if (found === 'EACCES') return { state: 'forbidden' };
  if (found === undefined || typeof found === 'string') return { state: 'missing', folder: existsSync(dirname(path)) };
  if (found.isDirectory()) return { state: 'folder' };
  if (!found.isSocket()) return { state: 'file' };
  const ownership: Ownership = {
    uid: found.uid,
    gid: found.gid,
    mode: found.mode & 0o7777,
    folders: await foldersAbove(path),
  };
  switch (await connecting(path)) {
    case undefined:
      return { state: 'answers', ...ownership };
    case 'EACCES':
      return { state: 'forbidden', ...ownership };
    case 'EAGAIN':
      return { state: 'silent', ...ownership };
    default:
      return { state: 'nobody_listens', ...ownership };
  }
}

/** @returns the code of the error; undefined: it connected */
async function connecting(path: string): Promise<string | undefined> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'UNKNOWN';
  } finally {
    socket.destroy();
  }
}

async function foldersAbove(path: string): Promise<Ownership['folders']> {
  const folders: Ownership['folders'][number][] = [];
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const { uid, gid, mode } = await stat(folder);
    folders.push({ path: folder, uid, gid, mode: mode & 0o7777 });
    if (folder === dirname(folder)) return folders;
  }
}
