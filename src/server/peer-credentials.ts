/**
 * Who is at the other end of a Unix socket, as the kernel says (SO_PEERCRED, unix(7)). Node has no function for it, so libc is called. The
 * supplementary groups come from the kernel too (SO_PEERGROUPS), as they were when the peer connected: /proc might show those of another
 * process that has the same pid by now.
 */
import type { Socket } from 'node:net';
import { messageOf } from '../error.ts';
import type { EventListener } from '../events.ts';
import { type Libc, loadLibc, SOL_SOCKET, SocketOption } from './libc.ts';
import type { CredentialsReader } from './peer.ts';

/** struct ucred: pid, uid, gid. */
const UCRED_BYTES = 12;
const GID_BYTES = 4;
/** Few users are in more groups; for those a second call is made. */
const USUAL_GROUPS = 32;

/** Takes some 10 ms. @returns undefined where the kernel cannot be asked, which is told as an event */
export async function loadCredentialsReader(events: EventListener): Promise<CredentialsReader | undefined> {
  try {
    return await requireCredentialsReader();
  } catch (error) {
    events({ type: 'peer_credentials_unavailable', reason: messageOf(error) });
    return undefined;
  }
}

/**
 * The same, for who cannot do without.
 * @throws Error when the kernel cannot be asked
 */
export async function requireCredentialsReader(): Promise<CredentialsReader> {
  if (process.platform !== 'linux') throw new Error(`there is no SO_PEERCRED on ${process.platform}`);
  const libc = await loadLibc();
  const ucred = new Uint32Array(3);
  const length = new Uint32Array(1);
  return (socket) => {
    const fd = fdOf(socket);
    if (fd === undefined) return undefined;
    length[0] = UCRED_BYTES;
    if (libc.getsockopt(fd, SOL_SOCKET, SocketOption.PEERCRED, ucred, length) !== 0 || length[0] !== UCRED_BYTES)
      return undefined;
    const [pid = 0, uid = 0, gid = 0] = ucred;
    const groups = groupsOf(fd, libc);
    return groups === undefined ? undefined : { credentials: { uid, gid, pid }, groups };
  };
}

/** Node has no public way to it. Undefined once the socket is closed. */
export function fdOf(socket: Socket): number | undefined {
  const fd = (socket as Socket & { readonly _handle?: { readonly fd?: number } | null })._handle?.fd;
  return fd === undefined || fd < 0 ? undefined : fd;
}

function groupsOf(fd: number, { getsockopt }: Libc): readonly number[] | undefined {
  const length = new Uint32Array(1);
  // When they do not fit, the kernel says how many bytes it takes.
  for (let room = USUAL_GROUPS, tries = 2; tries > 0; room = (length[0] ?? 0) / GID_BYTES, tries--) {
    const groups = new Uint32Array(room);
    length[0] = groups.byteLength;
    if (getsockopt(fd, SOL_SOCKET, SocketOption.PEERGROUPS, groups, length) === 0) {
      return [...groups.subarray(0, length[0] / GID_BYTES)];
    }
  }
  return undefined;
}
