/** The admin API: read-only HTTP on loopback or a Unix socket. It is loaded after the start, and whatever happens here, the sidecar goes on. */
import type { Clock } from '../clock.ts';
import type { LoadedConfiguration } from '../config/load.ts';
import { isLoopback } from '../config/rules/admin-rules.ts';
import type { Configuration } from '../config/schema/schema.ts';
import type { EventListener } from '../events.ts';
import type { StreamStatus } from '../sds/stream/stream-status.ts';
import type { SecretDescription } from '../secrets/secret-set.ts';
import type { SidecarCounts } from '../state/counts.ts';
import type { Observed } from '../state/observed.ts';
import { isOwnHost } from './host.ts';
import { JWKS_PATH, type JwksSource, jwksAnswer } from './jwks.ts';
import { type ReadOnlyServer, startReadOnlyServer } from './read-only-server.ts';
import { type MetricsPage, notFound, routesOf, safeJson } from './routes.ts';
import { SharedAnswers } from './shared-answers.ts';
import { statusOf } from './status.ts';
import { gatherSubscribers, type SubscriberFilter } from './subscribers.ts';
import { wayGiver } from './way-giver.ts';

/** What the running sidecar says of itself, read when somebody asks. */
export interface ServedState {
  /** The names that are served now. */
  readonly names: readonly string[];
  describe(name: string): SecretDescription | undefined;
  readonly counts: SidecarCounts;
  /** What each open stream came to, one at a time. */
  readonly streams: Iterable<StreamStatus>;
  readonly jwtBundles: JwksSource;
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

/** Serves until it is closed. Never rejects: what is in the way is told as `admin_failed`, and tried again. */
export async function startAdmin(options: AdminOptions): Promise<ReadOnlyServer | undefined> {
  const { configuration, loaded, observed, sidecar, metrics, clock, events } = options;
  const { admin, sds } = configuration;
  const endpoint = admin.listen;
  if (endpoint === 'off') return undefined;
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
      return safeJson(statusOf({ observed, listen: sds.listen, loaded: loaded(), names, counts, subscribers, now: clock.now() }));
    },
    revision: () => observed.revision,
    clock,
  });
  const routes = routesOf({ observed, now: () => clock.now(), metrics, status: (filter) => statuses.ask(filter) });
  return startReadOnlyServer({
    endpoint,
    sds,
    setting: 'admin.listen',
    clock,
    // Who may open a Unix socket is not a browser, and every browser says which host it means: HTTP/1.0 need not.
    isOurs: (host) => endpoint.kind === 'unix' || (host === undefined ? isLoopback(endpoint.host) : isOwnHost(host, admin.hosts)),
    answer(path, asked) {
      if (path.startsWith(JWKS_PATH)) return jwksAnswer(sidecar.jwtBundles, path, asked, clock);
      return routes.get(path)?.(asked) ?? notFound(path);
    },
    onListening: (address) => events({ type: 'admin_listening', address }),
    onFailed: (address, reason) => events({ type: 'admin_failed', address, reason }),
    mend: 'choose another address, "" for no admin API (--admin, admin.listen)',
  });
}
