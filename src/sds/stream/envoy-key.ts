/** One Envoy, as far as it can be told from others: what is remembered of it beyond a stream is kept by this. */
import type { StreamInfo } from '../../events.ts';

/**
 * By its user, group and process, as the kernel knows them, and by its node: one process may speak for several Envoys, and many have no
 * process that can be seen from here. Without a node it is its stream alone.
 */
export function envoyKey({ node, stream, peer: { credentials } }: StreamInfo): string {
  if (node === '') return `stream ${stream}`;
  const { uid, gid, pid } = credentials ?? {};
  return `${uid} ${gid} ${pid} ${node}`;
}

/** The keys under which something of it may be remembered: in the half second after the start no peer's credentials are known. */
export function envoyKeys(info: StreamInfo): readonly string[] {
  return [...new Set([envoyKey(info), envoyKey({ ...info, peer: { connection: info.peer.connection } })])];
}
