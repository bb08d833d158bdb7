/** What is wrong with the file at the path of a socket, or with who may connect to it. */
import type { Ownership, Peer, ProcessFacts, SocketFacts } from './facts.ts';
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
  /** Whether every user may connect to such a socket. */
  readonly isForAll?: boolean;
}

/** What keeps a user from a socket. */
export interface Obstacle {
  readonly path: string;
  readonly isFolder: boolean;
  /** What stands there, and whose it is. */
  readonly what: string;
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
      const obstacle = barrier(socket, path, self) ?? { path, isFolder: false, what: `the socket ${path} cannot be used` };
      return [forbidden(part, `uid ${self.uid}, gid ${self.gid}`, obstacle, socket, words)];
    }
  }
}

/** @param who it is kept from */
export function forbidden(
  part: string,
  who: string,
  { path: at, isFolder, what }: Obstacle,
  { gid, folders }: Pick<Ownership, 'folders'> & Partial<Ownership>,
  { path, why, isForAll = false }: SocketWords,
): Suspicion {
  const group = isFolder ? folders.find((folder) => folder.path === at)?.gid : gid;
  const fix = isForAll
    ? `chmod ${isFolder ? 'a+x' : 'a+rw'} ${at}`
    : `Run the process with the group ${group} (Docker: group_add: ["${group}"]; a pod: supplementalGroups: [${group}]).`;
  return { id: `${part}.forbidden`, severity: 'broken', what: `${who} may not connect to ${path}: ${what}.`, why, fix };
}

/** @returns what keeps this user from the socket; undefined: nothing does */
export function barrier(
  { folders, ...socket }: Pick<Ownership, 'folders'> & Partial<Ownership>,
  path: string,
  who: Peer,
): Obstacle | undefined {
  if (who.uid === 0) return undefined;
  for (const folder of folders) {
    if (!mayUse(folder, 0o1, who))
      return { path: folder.path, isFolder: true, what: `the folder ${folder.path} (${ownership(folder)}) cannot be entered` };
  }
  const { uid, gid, mode } = socket;
  if (uid === undefined || gid === undefined || mode === undefined || mayUse({ uid, gid, mode }, 0o2, who)) return undefined;
  return { path, isFolder: false, what: `the socket ${path} (${ownership({ uid, gid, mode })}) cannot be written` };
}

function mayUse(file: Pick<Ownership, 'uid' | 'gid' | 'mode'>, bit: number, { uid, gid, groups = [] }: Peer): boolean {
  const shift = file.uid === uid ? 6 : file.gid === gid || groups.includes(file.gid) ? 3 : 0;
  return ((file.mode >> shift) & bit) !== 0;
}

function ownership({ uid, gid, mode }: Pick<Ownership, 'uid' | 'gid' | 'mode'>): string {
  return `uid ${uid}, gid ${gid}, mode ${(mode & 0o7777).toString(8).padStart(4, '0')}`;
}
