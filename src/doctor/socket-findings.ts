/** What is wrong with the file at the path of a socket, or with who may connect to it. */
import type { Ownership, ProcessFacts, SocketFacts } from './facts.ts';
import type { Suspicion } from './finding.ts';

export interface SocketWords {
  readonly path: string;
  /** Whose socket it is. */
  readonly of: string;
  readonly why: string;
  /** What names the path. */
  readonly setting: string;
  /** How to start who serves it. */
  readonly start: string;
  readonly self: ProcessFacts;
}

/** @param part the beginning of the ids */
export function socketSuspicions(part: string, socket: SocketFacts, words: SocketWords): readonly Suspicion[] {
  const { path, of, why, setting, start, self } = words;
  const broken = (id: string, what: string, fix: string): readonly Suspicion[] => [
    { id: `${part}.${id}`, severity: 'broken', what, why, fix },
  ];
  switch (socket.state) {
    case 'answers':
      return [];
    case 'missing':
      return socket.folder
        ? broken(
            'missing',
            `There is no socket at ${path}: the ${of} does not run, or has another path.`,
            `${start} Or correct the path: ${setting}.`,
          )
        : broken(
            'missing',
            `There is no folder for ${path}.`,
            `Mount the folder of the ${of} here, or correct the path: ${setting}.`,
          );
    case 'folder':
      return broken(
        'folder',
        `${path} is a folder, not the socket of the ${of}.`,
        `Name the socket in it: ${setting}. Docker makes such a folder when what it should mount is missing: remove it then.`,
      );
    case 'file':
      return broken('no_socket', `${path} is a file, not the socket of the ${of}.`, `Correct the path: ${setting}.`);
    case 'nobody_listens':
      return broken('nobody_listens', `The socket ${path} is there, but nobody listens on it: what served it has ended.`, start);
    case 'silent':
      return broken(
        'silent',
        `The socket ${path} takes connections, but nobody answers on it: what serves it hangs, or is stopped.`,
        `Restart what serves it.`,
      );
    case 'forbidden': {
      const where =
        socket.mode === undefined ? 'a folder above it cannot be entered' : `it belongs to ${ownership(socket as Ownership)}`;
      const fix =
        socket.gid === undefined
          ? `ls -ld ${path.slice(0, path.lastIndexOf('/')) || '/'}`
          : `Run the process with the group ${socket.gid} (Docker: group_add: ["${socket.gid}"]; a pod: supplementalGroups: [${socket.gid}]).`;
      return broken('forbidden', `uid ${self.uid}, gid ${self.gid} may not connect to ${path}: ${where}.`, fix);
    }
  }
}

/** @returns what keeps this user from the socket; undefined: nothing does */
export function barrier(
  socket: Ownership,
  path: string,
  { uid, gid }: { readonly uid?: number; readonly gid?: number },
): string | undefined {
  if (uid === 0) return undefined;
  for (const folder of socket.folders) {
    if (!mayUse(folder, 0o1, uid, gid)) return `the folder ${folder.path} (${ownership(folder)}) cannot be entered`;
  }
  return mayUse(socket, 0o2, uid, gid) ? undefined : `the socket ${path} (${ownership(socket)}) cannot be written`;
}

function mayUse(file: Pick<Ownership, 'uid' | 'gid' | 'mode'>, bit: number, uid?: number, gid?: number): boolean {
  const shift = file.uid === uid ? 6 : file.gid === gid ? 3 : 0;
  return ((file.mode >> shift) & bit) !== 0;
}

function ownership({ uid, gid, mode }: Pick<Ownership, 'uid' | 'gid' | 'mode'>): string {
  return `uid ${uid}, gid ${gid}, mode ${(mode & 0o7777).toString(8).padStart(4, '0')}`;
}
