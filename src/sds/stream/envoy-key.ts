/** A key for one Envoy, as far as Envoys can be distinguished: what outlives a stream is remembered under it. */
import type { StreamInfo } from '../../events.ts';

/**
 * By its user, group and process, as the kernel knows them, and by its node: one process may speak for several Envoys, and many have no
 * process that is visible from here. Without a node the key is that of the stream alone.
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
