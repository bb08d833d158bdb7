/** As which user the Envoy runs whose admin interface listens on this machine: /proc says it, where this command may look. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import type { Peer } from '../facts.ts';

/** In /proc/net/tcp (proc_pid_net(5)). */
const LISTENING = '0A';

/**
 * @param url `http://IP:PORT` of its admin interface
 * @returns undefined: it is on another machine, in another namespace, or of a user whose processes this one may not look into
 */
export function probeEnvoyUser(url: string): Peer | undefined {
  const { hostname, port } = new URL(url);
  if (!/^(127\.|localhost$|\[::1\]$)/.test(hostname)) return undefined;
  try {
    const inode = listenerAt(Number(port === '' ? 80 : port));
    const pid = inode === undefined ? undefined : readdirSync('/proc').find((name) => /^\d+$/.test(name) && holds(name, inode));
    return pid === undefined ? undefined : userOf(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return undefined;
  }
}

function listenerAt(port: number): string | undefined {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = ['tcp', 'tcp6'].flatMap((name) => linesOf(`/proc/net/${name}`)).map((line) => line.trim().split(/\s+/));
  return lines.find(([, address = '', , state]) => address.endsWith(wanted) && state === LISTENING)?.[9];
}

function linesOf(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n');
  } catch {
    return [];
  }
}

function holds(pid: string, inode: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => linkOf(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`);
  } catch {
    return false;
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

/** Of the ids, the second is the effective one. */
function userOf(status: string): Peer {
  const numbers = (field: string) =>
    new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(status)?.[1]?.split(/\s+/).filter(Boolean).map(Number) ?? [];
  const [, uid] = numbers('Uid');
  const [, gid] = numbers('Gid');
  return { ...(uid !== undefined && { uid }), ...(gid !== undefined && { gid }), groups: numbers('Groups') };
}
