/** A small HTTP server that only reads. Everything is bounded: how many connect, how long they may ask and how long they may take to read. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { systemClock } from '../clock.ts';
import { isLoopback } from '../config/admin-rules.ts';
import type { Endpoint } from '../endpoint.ts';
import { messageOf } from '../error.ts';
import { printable } from '../printable.ts';
import { boundConnections } from './connections.ts';
import { isOwnHost } from './host.ts';
import { type Answer, notFound, type Route, text } from './routes.ts';

const MAX_HEADER_BYTES = 8 * 1024;
const MAX_REQUESTS_PER_CONNECTION = 1000;
const HEADERS_MS = 5_000;
const REQUEST_MS = 10_000;
const ANSWER_MS = 10_000;
const KEEP_ALIVE_MS = 60_000;

/**
 * Does not listen yet.
 * @param endpoint where it will listen: who may open a Unix socket is no browser, and may name any host
 * @param hosts the names, beside `localhost` and IP addresses, by which it may be asked
 */
export function httpServer(routes: ReadonlyMap<string, Route>, endpoint: Endpoint, hosts: readonly string[]): Server {
  // Every browser says which host it means: HTTP/1.0 need not.
  const isOurs = (host: string | undefined) =>
    endpoint.kind === 'unix' || (host === undefined ? isLoopback(endpoint.host) : isOwnHost(host, hosts));
  const limits = {
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: HEADERS_MS,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: 1_000,
  };
  const server = createServer(limits, (request, response) => {
    const forget = systemClock.after(ANSWER_MS, () => response.destroy());
    response.once('close', forget);
    response.on('error', () => response.destroy());
    answer(request, routes, isOurs).then(
      (found) => send(response, request, found),
      (error) => send(response, request, text(500, `this did not work: ${printable(messageOf(error))}\n`)),
    );
  });
  boundConnections(server);
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
  return server;
}

async function answer(
  request: IncomingMessage,
  routes: ReadonlyMap<string, Route>,
  isOurs: (host: string | undefined) => boolean,
): Promise<Answer> {
  const { method, url = '/', headers } = request;
  if (!isOurs(headers.host)) {
    const asked = printable(JSON.stringify(headers.host?.slice(0, 200) ?? ''));
    return text(421, `this is not the admin API of ${asked}: use localhost or an IP address, or list that name in admin.hosts\n`);
  }
  if (method !== 'GET' && method !== 'HEAD') return text(405, 'this API only reads: use GET or HEAD\n');
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0) {
    return text(413, 'a request to this API has no body\n');
  }
  const [path = '/', query] = url.split('?', 2);
  const route = routes.get(path);
  return route === undefined
    ? notFound(path, routes)
    : route({ query: new URLSearchParams(query), accept: headers.accept ?? '' });
}

function send(response: ServerResponse, { method }: IncomingMessage, { status, contentType, body }: Answer): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(status === 405 && { allow: 'GET, HEAD' }),
    // What else such a client says is not read.
    ...([405, 413, 421].includes(status) && { connection: 'close' }),
  });
  response.end(method === 'HEAD' ? undefined : body);
}
