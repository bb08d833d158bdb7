/** Whether a request is meant for this server. A web page whose host name resolves to this address (DNS rebinding) sends its own name. */
import { isIP } from 'node:net';

/**
 * @param host the Host header, with or without a port
 * @param names what the operator allows beside `localhost` and IP addresses, which no web page has for a name
 */
export function isOwnHost(host: string, names: readonly string[]): boolean {
  const [, literal, name = ''] = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::\d{1,5})?$/.exec(host.toLowerCase()) ?? [];
  if (literal !== undefined) return isIP(literal) === 6;
  return name === 'localhost' || isIP(name) === 4 || names.some((allowed) => allowed.toLowerCase() === name);
}
