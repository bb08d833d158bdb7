/**
 * The admin API: read-only HTTP on loopback or a Unix socket; and beside it, where it is asked for, a listener for probes that others may
 * reach. They are loaded after the start, and whatever happens here, the sidecar goes on.
 */
import type { Server } from 'node:http';
import type { Clock } from '../clock.ts';
import type { LoadedConfiguration } from '../config/load.ts';
import type { Configuration } from '../config/schema.ts';
import { type AdminListen, formatAdminListen } from '../config/telemetry-schema.ts';
import type { Endpoint } from '../endpoint.ts';
import { messageOf } from '../error.ts';
import type { AdminPart, EventListener } from '../events.ts';
import { gidOf } from '../server/group.ts';
import { KeptListener } from '../server/kept-listener.ts';
import { ListeningAgain, type Stop } from '../server/listening-again.ts';
import { listen } from '../server/unix-listener.ts';
import type { Sidecar } from '../sidecar.ts';
import type { Observed } from '../telemetry/observed.ts';
import { httpServer } from './http-server.ts';
import { type MetricsPage, probeRoutesOf, type Route, routesOf, safeJson } from './routes.ts';
import { SharedAnswers } from './shared-answers.ts';
import { statusOf } from './status.ts';
import { gatherSubscribers, type SubscriberFilter } from './subscribers.ts';
import { wayGiver } from './way-giver.ts';

export interface AdminOptions {
  /** At the start: `admin`, and the mode and group of a Unix socket, which are those of the SDS socket. */
  readonly configuration: Configuration;
  /** Now. */
  readonly loaded: () => Pick<LoadedConfiguration, 'configuration' | 'file'>;
  readonly observed: Observed;
  readonly sidecar: Pick<Sidecar, 'names' | 'describe' | 'counts' | 'streams'>;
  readonly metrics: MetricsPage;
  readonly clock: Clock;
  readonly events: EventListener;
}

interface Told {
  readonly onListening: () => void;
  readonly onFailed: (reason: string) => void;
}

const SETTING = { api: 'admin.listen', probes: 'admin.probes' } as const;
const MEND: Readonly<Record<AdminPart, string>> = {
  api: 'it is tried again; or choose another address, "" for no admin API (--admin, admin.listen)',
  probes: 'it is tried again; or choose another address, "" for none (SPIFFE_SDS_PROBES, admin.probes)',
};

export interface Admin extends AsyncDisposable {
  /** Closes all connections and the socket. Never rejects. */
  close(): Promise<void>;
}

/** Serves until it is closed. Never rejects: what is in the way is told as `admin_failed`, and tried again. */
export async function startAdmin(options: AdminOptions): Promise<Admin> {
  const { observed, clock, metrics, configuration } = options;
  const { listen, probes, probes_metrics: withMetrics } = configuration.admin;
  const now = () => clock.now();
  const status = statusPage(options);
  const parts = await Promise.all([
    serveRoutes(options, listen, 'api', () => routesOf({ observed, now, metrics, status })),
    serveRoutes(options, probes, 'probes', () => probeRoutesOf({ observed, now, ...(withMetrics && { metrics }) })),
  ]);
  const close = async () => {
    await Promise.all(parts.map((stop) => stop()));
  };
  return { close, [Symbol.asyncDispose]: close };
}

/** @returns what stops it */
async function serveRoutes(
  { configuration, clock, events }: AdminOptions,
  endpoint: AdminListen,
  part: AdminPart,
  routes: () => ReadonlyMap<string, Route>,
): Promise<Stop> {
  if (endpoint === 'off') return async () => undefined;
  const address = formatAdminListen(endpoint);
  const told: Told = {
    onListening: () => events({ type: 'admin_listening', part, address }),
    onFailed: (reason) => events({ type: 'admin_failed', part, address, reason }),
  };
  const server = httpServer(routes(), endpoint, configuration.admin.hosts);
  server.on('error', () => undefined);
  const listening = await ListeningAgain.start({
    clock,
    listen: () => serveAt(server, endpoint, SETTING[part], { configuration, clock, ...told }),
    onListening: told.onListening,
    onFailed: (error) => told.onFailed(`${messageOf(error)}; ${MEND[part]}`),
  });
  return async () => {
    await listening.stop();
    server.closeAllConnections();
  };
}

/** @returns what stops it */
async function serveAt(
  server: Server,
  endpoint: Endpoint,
  setting: string,
  { configuration, clock, onListening, onFailed }: Pick<AdminOptions, 'configuration' | 'clock'> & Told,
): Promise<Stop> {
  if (endpoint.kind === 'tcp') {
    await listen(server, { host: endpoint.host, port: endpoint.port });
    return async () => void server.close();
  }
  const { sds } = configuration;
  const listener = await KeptListener.open({
    path: endpoint.path,
    mode: sds.mode,
    ...(sds.group !== undefined && { gid: await gidOf(sds.group) }),
    setting,
    server,
    clock,
    onLost: onFailed,
    onRestored: onListening,
  });
  return () => listener.close();
}

/** What `/v1/status` answers. */
function statusPage({
  configuration,
  loaded,
  observed,
  sidecar,
  clock,
}: AdminOptions): (filter: SubscriberFilter) => Promise<string> {
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
  return (filter) => statuses.ask(filter);
}
