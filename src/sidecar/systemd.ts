/**
 * What a service tells systemd (sd_notify(3)): that it is ready, and that it stops. Units that are ordered after it then start when there is an
 * identity. The socket takes datagrams, which Node cannot send, so libc is called.
 */
import { messageOf } from '../error.ts';

/** @param state lines as sd_notify(3) has them: `READY=1` */
export type Notify = (state: string) => void;

/** The numbers of Linux, the same on every architecture that Node supports. */
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;
const MAX_PATH_BYTES = 107;

/**
 * @param address NOTIFY_SOCKET: an absolute path, or `@` and the name of an abstract socket
 * @throws a sentence, when it is neither or libc cannot be called
 */
export async function openNotify(address: string): Promise<Notify> {
  const target = socketAddress(address);
  const { default: koffi } = await import('koffi');
  const libc = koffi.load(null);
  const socket = libc.func('int socket(int, int, int)');
  const sendto = libc.func('int64_t sendto(int, const uint8_t *, size_t, int, const uint8_t *, uint32_t)');
  const descriptor: number = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) throw new Error(`there is no socket to tell systemd at ${address}`);
  return (state) => {
    const bytes = Buffer.from(state);
    // A missing manager is no reason to fail.
    sendto(descriptor, bytes, bytes.length, MSG_NOSIGNAL, target, target.length);
  };
}

/**
 * Sends each notification of one service once; sends nothing where systemd did not ask for them.
 * @param failed called with a sentence when one cannot be sent
 */
export function serviceNotifications(env: Readonly<Record<string, string | undefined>>, failed: (reason: string) => void) {
  const address = env['NOTIFY_SOCKET'] ?? '';
  const notified = new Set<string>();
  let opening: Promise<Notify> | undefined;
  return (state: 'READY=1' | 'STOPPING=1'): void => {
    if (address === '' || notified.has(state)) return;
    notified.add(state);
    opening ??= openNotify(address);
    opening.then(
      (notify) => notify(state),
      (error) => failed(`cannot send ${state} to systemd: ${messageOf(error)}`),
    );
  };
}

/** struct sockaddr_un. */
function socketAddress(address: string): Buffer {
  const path = Buffer.from(address);
  if (!/^[/@]./.test(address) || path.length > MAX_PATH_BYTES)
    throw new Error(`NOTIFY_SOCKET is ${JSON.stringify(address)}, which is neither an absolute path nor an abstract socket`);
  const isAbstract = address.startsWith('@');
  if (isAbstract) path[0] = 0;
  const family = Buffer.from(new Uint16Array([AF_UNIX]).buffer);
  return Buffer.concat(isAbstract ? [family, path] : [family, path, Buffer.of(0)]);
}
