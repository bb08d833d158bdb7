/** Turns grpc-js's reason for a failed connection into one for operators: who tried, and what to change. */
import { existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Endpoint } from './endpoint.ts';
import { processUser } from './errno.ts';

/** grpc-js 1.14: `No connection established. Last error: Error: connect ENOENT /path. Resolution note: `, the note mostly empty; as an error with its status before it. */
const NOTICE = /^(?:\d+ [A-Z_]+: )?No connection established\. Last error: (?:Error: )?(.*?)\.? Resolution note: ?(.*)$/s;

/**
 * @param details of a gRPC status
 * @returns the same without grpc-js's frame, and for a Unix socket with this process's user and the fix
 */
export function whyUnreachable(endpoint: Endpoint, details: string): string {
  const [, cause = details, note = ''] = NOTICE.exec(details) ?? [];
  const reason = note === '' ? cause : `${cause} (${note})`;
  const code = /\bconnect (E[A-Z]+)\b/.exec(cause)?.[1];
  if (endpoint.kind !== 'unix' || code === undefined) return reason;
  const fix = fixOf(code, endpoint.path);
  return fix === undefined ? reason : `${reason} as ${processUser()}: ${fix}`;
}

function fixOf(code: string, path: string): string | undefined {
  switch (code) {
    case 'ENOENT':
      return existsSync(dirname(path))
        ? 'the folder is there but no socket is in it: start what serves it, or correct its name'
        : `there is no folder ${dirname(path)}: mount it here (in a container: a volume; in a pod: the CSI volume), or correct the path`;
    case 'ECONNREFUSED':
      return notSocket(path) ?? 'the socket is there but nobody listens: start what serves it';
    case 'ENOTDIR':
      return 'a part of that path is not a folder: correct the path';
    case 'EACCES':
      return 'this user may not write to the socket, or not enter its folder: run it as a member of the group of the socket, or widen the mode of the socket';
    default:
      return undefined;
  }
}

/** For a path that is no socket the kernel gives the same error as for a socket that nobody listens on. */
function notSocket(path: string): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined || found.isSocket()) return undefined;
  return found.isDirectory() ? 'that is a folder: name the socket in it' : 'that is not a socket: correct the path';
}
