/**
 * HTTP that only reads, on loopback or a Unix socket. Everything is bounded: how many connect, how long they may ask and how long they may
 * take to read.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Clock, systemClock } from '../clock.ts';
import type { Configuration } from '../config/schema/schema.ts';
import { formatAdminListen } from '../config/schema/telemetry-schema.ts';
import type { Endpoint } from '../endpoint.ts';
import { messageOf } from '../error.ts';
import { printable } from '../printable.ts';
import { gidOf } from '../server/group.ts';
import { KeptListener } from '../server/kept-listener.ts';
import { ListeningAgain, type Stop } from '../server/listening-again.ts';
import { listen } from '../server/unix-listener.ts';
import { boundConnections } from './connections.ts';

const MAX_HEADER_BYTES = 8 * 1024;
const MAX_REQUESTS_PER_CONNECTION = 1000;
const HEADERS_MS = 5_000;
const REQUEST_MS = 10_000;
const ANSWER_MS = 10_000;
const KEEP_ALIVE_MS = 60_000;

export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  /** Beside those that every answer has. Default: `cache-control: no-store`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The answer stays open after its body: what is given here writes to it, for as long as both want. */
  readonly live?: (response: ServerResponse) => void;
}

export interface Asked {
  readonly query: URLSearchParams;
  readonly accept: string;
  /** The header If-None-Match; empty: there is none. */
  readonly ifNoneMatch: string;
}

export interface ReadOnlyServerOptions {
  readonly endpoint: Endpoint;
  /** The mode and group of a Unix socket are those of the SDS socket. */
  readonly sds: Pick<Configuration['sds'], 'mode' | 'group'>;
  /** The setting that names the endpoint, for messages. */
  readonly setting: string;
  readonly clock: Clock;
  /** Whether a request is meant for this server, by its Host header. */
  readonly isOurs: (host: string | undefined) => boolean;
  /** @param path without the query */
  readonly answer: (path: string, asked: Asked) => Answer | Promise<Answer>;
  readonly onListening: (address: string) => void;
  /** Called once for as long as the reason stays the same. */
  readonly onFailed: (address: string, reason: string) => void;
  /** What else than the other address may help. */
  readonly mend: string;
}

/** What serves until it is closed: all its connections, and the socket. Closing never rejects. */
export interface ReadOnlyServer extends AsyncDisposable {
  close(): Promise<void>;
}

/** Never rejects: a failure is reported to `onFailed`, and it is tried again. */
export async function startReadOnlyServer(options: ReadOnlyServerOptions): Promise<ReadOnlyServer> {
  const { endpoint, clock, onListening, onFailed, mend } = options;
  const address = formatAdminListen(endpoint);
  const server = httpServer(options);
  server.on('error', () => undefined);
  const listening = await ListeningAgain.start({
    clock,
    listen: () => serveAt(server, options),
    onListening: () => onListening(address),
    onFailed: (error) => onFailed(address, `${messageOf(error)}; it is tried again; or ${mend}`),
  });
  const close = async () => {
    await listening.stop();
    server.closeAllConnections();
  };
  return { close, [Symbol.asyncDispose]: close };
}

export function text(status: number, body: string): Answer {
  return { status, contentType: 'text/plain; charset=utf-8', body };
}

/** @returns what stops it */
async function serveAt(server: Server, options: ReadOnlyServerOptions): Promise<Stop> {
  const { endpoint, sds, setting, clock, onListening, onFailed } = options;
  if (endpoint.kind === 'tcp') {
    await listen(server, { host: endpoint.host, port: endpoint.port });
    return async () => void server.close();
  }
  const address = formatAdminListen(endpoint);
  const listener = await KeptListener.open({
    path: endpoint.path,
    mode: sds.mode,
    ...(sds.group !== undefined && { gid: await gidOf(sds.group) }),
    setting,
    server,
    clock,
    onLost: (reason) => onFailed(address, reason),
    onRestored: () => onListening(address),
  });
  return () => listener.close();
}

function httpServer(options: ReadOnlyServerOptions): Server {
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
    answered(request, options).then(
      (found) => {
        if (found.live === undefined || request.method === 'HEAD') send(response, request, found);
        else {
          forget();
          stayOpen(response, found, found.live);
        }
      },
      (error) => send(response, request, text(500, `this did not work: ${printable(messageOf(error))}\n`)),
    );
  });
  boundConnections(server);
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
  return server;
}

async function answered(request: IncomingMessage, { isOurs, answer }: ReadOnlyServerOptions): Promise<Answer> {
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
  const { accept = '', 'if-none-match': ifNoneMatch = '' } = headers;
  return answer(path, { query: new URLSearchParams(query), accept, ifNoneMatch });
}

const COMMON_HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const;

function stayOpen(response: ServerResponse, { status, contentType, headers }: Answer, live: NonNullable<Answer['live']>): void {
  if (response.destroyed) return;
  response.writeHead(status, { 'content-type': contentType, ...COMMON_HEADERS, ...headers });
  live(response);
}

function send(response: ServerResponse, { method }: IncomingMessage, { status, contentType, body, headers }: Answer): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    // Of what the client has already nothing is said but that it is the same.
    ...(status !== 304 && { 'content-type': contentType, 'content-length': Buffer.byteLength(body) }),
    ...COMMON_HEADERS,
    ...headers,
    ...(status === 405 && { allow: 'GET, HEAD' }),
    // What else such a client says is not read.
    ...([405, 413, 421].includes(status) && { connection: 'close' }),
  });
  response.end(method === 'HEAD' ? undefined : body);
}
