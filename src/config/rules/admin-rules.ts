/** The rules for `admin` that compare two values, which the schema cannot do. */

import type { Configuration } from '../schema/schema.ts';
import type { Issue } from './problems.ts';

/** The admin API shows identities, peers and names, so it may listen beyond loopback only with `admin.remote`. */
export function adminProblems({ admin: { listen, remote } }: Configuration): readonly Issue[] {
  if (remote || listen === 'off' || listen.kind === 'unix' || isLoopback(listen.host)) return [];
  const reason = `whoever reaches ${listen.host} could read names, identities and peers`;
  const message = `${reason}: listen on 127.0.0.1 or a Unix socket, or accept it with admin.remote: true`;
  return [{ code: 'custom', path: ['admin', 'listen'], message }];
}

/**
 * Whether an address is a loopback address.
 * @param host an IP literal
 */
export function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.');
}
