/**
 * The admin API: read-only HTTP on loopback or a Unix socket. It is loaded after the start, and whatever happens here, the sidecar goes on.
 * Everything is bounded: how many connect, how long they may ask and how long they may take to read.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Clock, systemClock } from '../clock.ts';
import type { LoadedConfiguration } from '../config/load.ts';
import { isLoopback } from '../config/rules/admin-rules.ts';
import type { Configuration } from '../config/schema/schema.ts';
import { formatAdminListen } from '../config/schema/telemetry-schema.ts';
import type { Endpoint } from '../endpoint.ts';
import { messageOf } from '../error.ts';
import type { EventListener } from '../events.ts';
import { printable } from '../printable.ts';
import type { StreamStatus } from '../sds/stream/stream-status.ts';
import type { SecretDescription } from '../secrets/secret-set.ts';
import { gidOf } from '../server/group.ts';
import { KeptListener } from '../server/kept-listener.ts';
import { ListeningAgain, type Stop } from '../server/listening-again.ts';
import { listen } from '../server/unix-listener.ts';
import type { SidecarCounts } from '../state/counts.ts';
import type { Observed } from '../state/observed.ts';
import { boundConnections } from './connections.ts';
import { isOwnHost } from './host.ts';
import { type Answer, type MetricsPage, notFound, type Route, routesOf, safeJson, text } from './routes.ts';
import { SharedAnswers } from './shared-answers.ts';
import { statusOf } from './status.ts';
import { gatherSubscribers, type SubscriberFilter } from './subscribers.ts';
import { wayGiver } from './way-giver.ts';

const MAX_HEADER_BYTES = 8 * 1024;
const MAX_REQUESTS_PER_CONNECTION = 1000;
const HEADERS_MS = 5_000;
const REQUEST_MS = 10_000;
const ANSWER_MS = 10_000;
const KEEP_ALIVE_MS = 60_000;

/** What the running sidecar says of itself, read when somebody asks. */
export interface ServedState {
  /** The names that are served now. */
  readonly names: readonly string[];
  describe(name: string): SecretDescription | undefined;
  readonly counts: SidecarCounts;
  /** What each open stream came to, one at a time. */
  readonly streams: Iterable<StreamStatus>;
}

export interface AdminOptions {
  /** At the start: `admin`, and the mode and group of a Unix socket, which are those of the SDS socket. */
  readonly configuration: Configuration;
  /** Now. */
  readonly loaded: () => Pick<LoadedConfiguration, 'configuration' | 'file'>;
  readonly observed: Observed;
  readonly sidecar: ServedState;
  readonly metrics: MetricsPage;
  readonly clock: Clock;
  readonly events: EventListener;
}

export interface Admin extends AsyncDisposable {
  /** Closes all connections and the socket. Never rejects. */
  close(): Promise<void>;
}

/** Serves until it is closed. Never rejects: what is in the way is told as `admin_failed`, and tried again. */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const endpoint = options.configuration.admin.listen;
  if (endpoint === 'off') return admin(async () => undefined);
  const address = formatAdminListen(endpoint);
  const server = httpServer(options, endpoint);
  server.on('error', () => undefined);
  const { clock, events } = options;
  const listening = await ListeningAgain.start({
    clock,
    listen: () => serveAt(server, endpoint, options),
    onListening: () => events({ type: 'admin_listening', address }),
    onFailed(error) {
      const mend = 'it is tried again; or choose another address, "" for no admin API (--admin, admin.listen)';
      events({ type: 'admin_failed', address, reason: `${messageOf(error)}; ${mend}` });
    },
  });
  return admin(async () => {
    await listening.stop();
    server.closeAllConnections();
  });
}

function admin(close: () => Promise<void>): Admin {
  return { close, [Symbol.asyncDispose]: close };
}

/** @returns what stops it */
async function serveAt(server: Server, endpoint: Endpoint, { configuration, clock, events }: AdminOptions): Promise<Stop> {
  if (endpoint.kind === 'tcp') {
    await listen(server, { host: endpoint.host, port: endpoint.port });
    return async () => void server.close();
  }
  const { sds } = configuration;
  const address = formatAdminListen(endpoint);
  const listener = await KeptListener.open({
    path: endpoint.path,
    mode: sds.mode,
    ...(sds.group !== undefined && { gid: await gidOf(sds.group) }),
    setting: 'admin.listen',
    server,
    clock,
    onLost: (reason) => events({ type: 'admin_failed', address, reason }),
    onRestored: () => events({ type: 'admin_listening', address }),
  });
  return () => listener.close();
}

function httpServer({ configuration, loaded, observed, sidecar, metrics, clock }: AdminOptions, endpoint: Endpoint): Server {
  const { listen } = configuration.sds;
  const statuses = new SharedAnswers({
    async make(filter: SubscriberFilter) {
      const subscribers = await gatherSubscribers(
        sidecar.streams,
        filter,
        wayGiver(() => observed.pushing),
      );
      const described = sidecar.names.map((name) => [name, sidecar.describe(name)] as const);
      const names = new Map(described.flatMap(([name, secret]) => (secret === undefined ? [] : [[name, secret]])));
      const { counts } = sidecar;
      return safeJson(statusOf({ observed, listen, loaded: loaded(), names, counts, subscribers, now: clock.now() }));
    },
    revision: () => observed.revision,
    clock,
  });
  const routes = routesOf({ observed, now: () => clock.now(), metrics, status: (filter) => statuses.ask(filter) });
  // Who may open a Unix socket is not a browser, and every browser says which host it means: HTTP/1.0 need not.
  const isOurs = (host: string | undefined) =>
    endpoint.kind === 'unix' || (host === undefined ? isLoopback(endpoint.host) : isOwnHost(host, configuration.admin.hosts));
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
  return route === undefined ? notFound(path) : route({ query: new URLSearchParams(query), accept: headers.accept ?? '' });
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
