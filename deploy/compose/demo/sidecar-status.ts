/**
 * The status pages of the two sidecars, or of the one spiffe-sds of the node. They have no network: their admin API is a socket in a volume that
 * is shared for this alone. What is passed on is what a browser asked to read.
 */
import { existsSync } from 'node:fs';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';

const SOCKETS: Readonly<Record<string, string>> = {
  backend: '/run/status/backend.sock',
  frontend: '/run/status/frontend.sock',
};
const OF_THE_NODE = '/run/status/node.sock';
const PATH = /^\/sidecars\/([a-z]+)(\/.*)$/;

/** @returns false when it is no path of a sidecar */
export function passOn({ url = '', method, headers }: IncomingMessage, response: ServerResponse): boolean {
  const [, name = '', path = ''] = PATH.exec(url) ?? [];
  const own = SOCKETS[name];
  if (own === undefined || method !== 'GET') return false;
  const socketPath = existsSync(own) ? own : OF_THE_NODE;
  const asking = request({ socketPath, path, headers: { host: 'localhost', accept: headers.accept ?? '*/*' } }, (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(response);
    answer.once('error', () => response.destroy());
  });
  asking.once('error', () => {
    if (response.headersSent) response.destroy();
    else response.writeHead(502, { 'content-type': 'text/plain' }).end(`the sidecar of the ${name} does not answer\n`);
  });
  response.once('close', () => asking.destroy());
  asking.end();
  return true;
}
