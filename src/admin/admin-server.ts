/**
 * The admin API: read-only HTTP on loopback or a Unix socket; and beside it, where it is asked for, a listener for probes that others may
 * reach. They are loaded after the start, and whatever happens here, the sidecar goes on.
 */
import type { Clock } from '../clock.ts';
import type { LoadedConfiguration } from '../config/load.ts';
import { isLoopback } from '../config/rules/admin-rules.ts';
import type { Configuration } from '../config/schema/schema.ts';
import type { AdminListen } from '../config/schema/telemetry-schema.ts';
import type { AdminPart, EventListener } from '../events.ts';
import type { StreamStatus } from '../sds/stream/stream-status.ts';
import type { NameDescription } from '../secrets/secret-set.ts';
import type { SidecarCounts } from '../state/counts.ts';
import type { Observed } from '../state/observed.ts';
import { isOwnHost } from './host.ts';
import { JWKS_PATH, type JwksSource, jwksAnswer } from './jwks.ts';
import { LiveChanges } from './live-changes.ts';
import { PAGE_PATH, pageFile } from './page-files.ts';
import { type Asked, type ReadOnlyServer, type ReadOnlyServerOptions, startReadOnlyServer } from './read-only-server.ts';
import { type MetricsPage, notFound, probeRoutesOf, routesOf, safeJson } from './routes.ts';
import { SharedAnswers } from './shared-answers.ts';
import { statusOf } from './status.ts';
import { gatherSubscribers, type SubscriberFilter } from './subscribers.ts';
import { wayGiver } from './way-giver.ts';

/** What the running sidecar says of itself, read when somebody asks. */
export interface ServedState {
  /** The names that are served now. */
  readonly names: readonly string[];
  describe(name: string): NameDescription | undefined;
  readonly counts: SidecarCounts;
  /** What each open stream came to, one at a time. */
  readonly streams: Iterable<StreamStatus>;
  readonly jwtBundles: JwksSource;
}

export interface AdminOptions {
  /** At the start: `admin`, and the mode and group of a Unix socket, which are those of the SDS socket. */
  readonly configuration: Configuration;
  /** Now. */
  readonly loaded: () => LoadedConfiguration;
  readonly observed: Observed;
  readonly sidecar: ServedState;
  readonly metrics: MetricsPage;
  readonly clock: Clock;
  readonly events: EventListener;
}

/** Serves until it is closed. Never rejects: a failure is the event `admin_failed`, and it is tried again. */
export async function startAdmin(options: AdminOptions): Promise<ReadOnlyServer> {
  const { observed, clock, metrics, configuration, sidecar } = options;
  const { listen, probes, probes_metrics: withMetrics } = configuration.admin;
  const now = () => clock.now();
  const changes = new LiveChanges({ heard: () => observed.heard, clock });
  const api = routesOf({ observed, now, metrics, status: statusAnswers(options), changes: () => changes.answer() });
  const jwks = (path: string, asked: Asked) => jwksAnswer(sidecar.jwtBundles, path, asked, clock);
  const forProbes = probeRoutesOf({ observed, now, ...(withMetrics && { metrics }) });
  const servers = await Promise.all([
    serveRoutes(options, listen, 'api', (path, asked) => {
      if (path.startsWith(JWKS_PATH) && path !== JWKS_PATH) return jwks(path, asked);
      if (path.startsWith(PAGE_PATH)) return pageFile(path.slice(PAGE_PATH.length));
      return api.get(path)?.(asked) ?? notFound(path, api);
    }),
    serveRoutes(options, probes, 'probes', (path, asked) => forProbes.get(path)?.(asked) ?? notFound(path, forProbes)),
  ]);
  const close = async () => {
    await Promise.all(servers.map((server) => server?.close()));
  };
  return { close, [Symbol.asyncDispose]: close };
}

const SETTING = { api: 'admin.listen', probes: 'admin.probes' } as const;
const MEND: Readonly<Record<AdminPart, string>> = {
  api: 'choose another address, "" for no admin API (--admin, admin.listen)',
  probes: 'choose another address, "" for none (SPIFFE_SDS_PROBES, admin.probes)',
};

async function serveRoutes(
  { configuration: { admin, sds }, clock, events }: AdminOptions,
  endpoint: AdminListen,
  part: AdminPart,
  answer: ReadOnlyServerOptions['answer'],
): Promise<ReadOnlyServer | undefined> {
  if (endpoint === 'off') return undefined;
  return startReadOnlyServer({
    endpoint,
    sds,
    setting: SETTING[part],
    clock,
    // Who may open a Unix socket is not a browser, and every browser says which host it means: HTTP/1.0 need not.
    isOurs: (host) => endpoint.kind === 'unix' || (host === undefined ? isLoopback(endpoint.host) : isOwnHost(host, admin.hosts)),
    answer,
    onListening: (address) => events({ type: 'admin_listening', part, address }),
    onFailed: (address, reason) => events({ type: 'admin_failed', part, address, reason }),
    mend: MEND[part],
  });
}

/** What `/v1/status` answers. */
function statusAnswers({
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
