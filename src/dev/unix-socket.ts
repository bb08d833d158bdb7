/** The path of the development Workload API's socket: ours to take only when nobody listens there. */
import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { type Server, ServerCredentials } from '@grpc/grpc-js';
import { messageOf, SpiffeSdsError } from '../error.ts';

/**
 * @param address `unix:///absolute/path`
 * @throws SpiffeSdsError `endpoint_invalid`
 */
export function socketPath(address: string): string {
  const path = /^unix:\/\/(\/[^?#]+)$/.exec(address)?.[1];
  if (path === undefined) {
    throw new SpiffeSdsError(
      'endpoint_invalid',
      `the development Workload API cannot listen on ${JSON.stringify(address)}: it must be unix:///absolute/path`,
    );
  }
  return path;
}

/**
 * Makes the directory, replaces a socket that an earlier process left behind, and listens.
 *
 * @throws SpiffeSdsError `listen_failed` when a server answers at the path, or something else than a socket is there
 */
export async function listenOnUnixSocket(server: Server, path: string, mode: number): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await removeStaleSocket(path);
    await new Promise<void>((resolve, reject) => {
      server.bindAsync(`unix:${path}`, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve()));
    });
    await chmod(path, mode);
  } catch (error) {
    server.forceShutdown();
    throw new SpiffeSdsError('listen_failed', `the development Workload API cannot listen on ${path}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function removeStaleSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error('there is something else than a socket; remove it or choose another path');
  if (await isAnswered(path)) throw new Error('another server answers there; stop it or choose another path');
  await unlink(path);
}

function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const settle = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.once('connect', () => settle(true));
    // Refused: nobody accepts any more. Anything else (a full backlog, a permission) comes from a living server.
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code !== 'ECONNREFUSED'));
  });
}
