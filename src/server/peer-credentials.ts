/** Whom the kernel names at the other end of a Unix socket (SO_PEERCRED, unix(7)): Node does not ask it, so libc is called for that. */
import type { Socket } from 'node:net';
import { messageOf } from '../error.ts';
import type { EventListener } from '../events.ts';
import type { CredentialsReader } from './peer.ts';

/** Of Linux, on every architecture that Node runs on there. */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
/** struct ucred: pid, uid, gid. */
const UCRED_BYTES = 12;

const nobody: CredentialsReader = () => undefined;

/** Takes some 10 ms. Where the kernel cannot be asked, that is told as an event, and peers stay unknown. */
export async function loadCredentialsReader(events: EventListener): Promise<CredentialsReader> {
  try {
    if (process.platform !== 'linux') throw new Error(`there is no SO_PEERCRED on ${process.platform}`);
    return await linuxReader();
  } catch (error) {
    events({ type: 'peer_credentials_unavailable', reason: messageOf(error) });
    return nobody;
  }
}

async function linuxReader(): Promise<CredentialsReader> {
  const { default: koffi } = await import('koffi');
  const getsockopt = koffi.load(null).func('int getsockopt(int, int, int, _Out_ uint32_t *, _Inout_ uint32_t *)');
  const ucred = new Uint32Array(3);
  const length = new Uint32Array(1);
  return (socket) => {
    const fd = fdOf(socket);
    if (fd === undefined) return undefined;
    length[0] = UCRED_BYTES;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ucred, length) !== 0 || length[0] !== UCRED_BYTES) return undefined;
    const [pid = 0, uid = 0, gid = 0] = ucred;
    return { uid, gid, pid };
  };
}

/** Node has no public way to it. Undefined once the socket is closed. */
function fdOf(socket: Socket): number | undefined {
  const fd = (socket as Socket & { readonly _handle?: { readonly fd?: number } | null })._handle?.fd;
  return fd === undefined || fd < 0 ? undefined : fd;
}
