/** The composition root: connects the Workload API, the configured secrets and the socket that serves SDS. */
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { AccessRules } from '../access/access-rules.ts';
import { configuredRules } from '../access/configured-rules.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { Configuration } from '../config/schema/schema.ts';
import { addressesOf } from '../config/schema/workload-api-schema.ts';
import { type Endpoint, formatEndpoint } from '../endpoint.ts';
import type { EventListener } from '../events.ts';
import { StreamNumbers } from '../sds/numbers.ts';
import { SDS, type SdsService } from '../sds/service.ts';
import type { StreamStatus } from '../sds/stream/stream-status.ts';
import type { NameDescription } from '../secrets/secret-set.ts';
import { GrpcServer } from '../server/grpc/grpc-server.ts';
import { HealthService } from '../server/grpc/health.ts';
import { DEFAULT_LIMITS, type GrpcLimits, USER_CONNECTIONS, withRequestBytes } from '../server/grpc/limits.ts';
import { KeptListener } from '../server/kept-listener.ts';
import type { CredentialsReader } from '../server/peer.ts';
import { isOpenToAll } from '../server/unix-listener.ts';
import type { SidecarCounts } from '../state/counts.ts';
import { workloadApiAt } from '../workload-api/client.ts';
import type { JoinedWatch } from '../workload-api/joined-watch.ts';
import type { Fetch } from '../workload-api/stream-call.ts';
import { AfterStart } from './after-start.ts';
import type { Node, NodeOptions } from './node.ts';
import { startNeeds } from './start-needs.ts';
import { Workload } from './workload.ts';

/** Kubernetes and Docker wait longer than this before they kill. */
const DRAIN_MS = 5_000;

export interface SidecarOptions {
  readonly configuration: Configuration;
  readonly events: EventListener;
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
  /**
   * What gRPC health says of the secret discovery service; asked after each event, so it changes with what `events` has heard, or with
   * time. Default: whether there are secrets.
   */
  readonly ready?: () => boolean;
  /** Awaited when it listens, before it asks for identities. Default: nothing. */
  readonly beforeIdentities?: () => Promise<void>;
}

export interface Sidecar extends AsyncDisposable {
  /** The names that are served now. */
  readonly names: readonly string[];
  describe(name: string): NameDescription | undefined;
  readonly counts: SidecarCounts;
  /** The state of each open stream, one at a time, so that a reader of ten thousand can let others run in between. */
  readonly streams: Iterable<StreamStatus>;
  /** The Workload API is asked for them at the first request. */
  readonly jwtBundles: JoinedWatch['jwtBundles'];
  /** Applies the settings that can change while it runs. The addresses that it serves on, and the socket's mode and group, stay as they were. */
  configure(configuration: Configuration): void;
  /** From now on peers are known by their credentials, also those that are connected. */
  identifyPeers(read: CredentialsReader): void;
  /** The memory limit is near: ends the connection that has most calls. */
  shed(): void;
  /** Calls back when work that can wait may begin. The returned function cancels that. */
  afterStart(work: () => void): () => void;
  /** Ends all streams, closes the socket and removes it. */
  stop(): Promise<void>;
}

/**
 * Listens first, so that an Envoy that is already there finds a socket, then loads the code that verifies, then asks for identities.
 *
 * @throws SpiffeSdsError as `startNeeds` does, `listen_failed` when it cannot listen on the socket
 */
export async function startSidecar({
  configuration,
  events: tell,
  clock = systemClock,
  random = Math.random,
  ready,
  beforeIdentities,
}: SidecarOptions): Promise<Sidecar> {
  const { sds } = configuration;
  const { workloadApis, gid, readCredentials } = await startNeeds(configuration);
  let inForce = configuration;
  const afterStart = new AfterStart(clock);
  const events: EventListener = (event) => {
    tell(event);
    if (event.type === 'workload_api_lost') afterStart.answered();
    // Events of one stream are frequent, and do not change readiness.
    if (!('stream' in event)) health.look();
  };
  let access = accessRules(configuration);
  const apisAt = (endpoints: readonly Endpoint[]) =>
    endpoints.map((endpoint) => {
      const api = workloadApiAt(endpoint);
      return { ...api, fetchX509Bundles: delayed(api.fetchX509Bundles, afterStart) };
    });
  const numbers = new StreamNumbers();
  const own = new Workload({
    apis: apisAt(workloadApis),
    configuration,
    access,
    events,
    clock,
    random,
    numbers,
    onContext: () => afterStart.answered(),
  });
  const { service } = own;
  const node = await nodeOf({
    configuration,
    access,
    own: () => own.context,
    numbers,
    paths: Object.keys(service.methods),
    clock,
    random,
    events,
  });
  const services = () => (node === undefined ? [service] : [...node.services()]);
  const health = new HealthService({ [SDS]: ready ?? (() => service.secrets.ids.length > 0) });
  const server = new GrpcServer([node?.router ?? service, health], {
    limits: grpcLimits(configuration),
    admits(peer) {
      const refusal = access?.refuses(peer);
      if (refusal === undefined) return true;
      const { rule, reason } = refusal;
      events({ type: 'access_denied', peer, node: '', reason, ...(rule !== undefined && { rule }) });
      return false;
    },
    listener: {
      opened: (peer) => events({ type: 'connection_opened', peer }),
      closed(peer) {
        node?.router.closed(peer);
        events({ type: 'connection_closed', peer });
      },
      refused: (peer) => events({ type: 'connection_refused', limit: inForce.sds.limits.connections, peer }),
      notHttp2: (peer) => events({ type: 'connection_not_http2', peer }),
      broken: (peer, reason) => events({ type: 'connection_broken', reason, peer }),
      malformed: (peer, call, details) => events({ type: 'request_malformed', call, details, peer }),
    },
  });
  if (readCredentials !== undefined) server.identifyPeers(readCredentials);
  const address = formatEndpoint(sds.listen);
  const listener = await KeptListener.open({
    path: sds.listen.path,
    mode: sds.mode,
    setting: 'sds.listen',
    ...(gid !== undefined && { gid }),
    server: createServer((socket) => {
      node?.accepted(socket);
      server.accept(socket);
    }),
    clock,
    onLost: (reason) => events({ type: 'socket_lost', address, reason }),
    onRestored: () => events({ type: 'socket_restored', address }),
  });
  events({ type: 'listening', address, mode: sds.mode.toString(8).padStart(4, '0') });
  const folder = dirname(sds.listen.path);
  if (await isOpenToAll(folder)) events({ type: 'socket_unprotected', address, folder });

  await beforeIdentities?.();
  own.start();

  const stop = async () => {
    events({ type: 'draining', streams: countsOf(services()).streams });
    own.stop();
    await listener.close();
    await server.close(DRAIN_MS);
    node?.stop();
    events({ type: 'stopped' });
  };
  return {
    get names() {
      return node === undefined ? service.secrets.names : [];
    },
    describe: (name) => service.secrets.describe(name),
    get counts() {
      return { connections: server.connections, ...countsOf(services()) };
    },
    get streams() {
      return statusOf(services());
    },
    jwtBundles: own.jwtBundles,
    configure(next) {
      // The same rules stay the same object: then no stream asks them again.
      if (!isDeepStrictEqual(next.sds.allow, inForce.sds.allow)) access = accessRules(next);
      inForce = next;
      server.configure(grpcLimits(next));
      const addresses = addressesOf(next.workload_api);
      own.configure(next, access, addresses.length === 0 ? undefined : apisAt(addresses));
      node?.configure(next, access);
    },
    identifyPeers(read) {
      server.identifyPeers(read);
      if (access !== undefined) own.configure(inForce, access);
      if (access !== undefined) node?.configure(inForce, access);
    },
    shed: () => server.shed(),
    afterStart: (work) => afterStart.run(work),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function nodeOf(options: NodeOptions): Promise<Node | undefined> {
  if (options.configuration.mode === 'sidecar') return undefined;
  const { Node } = await import('./node.ts');
  return Node.open(options);
}

function countsOf(services: readonly SdsService[]): Omit<SidecarCounts, 'connections'> {
  const sum = (of: (service: SdsService) => number) => services.reduce((total, service) => total + of(service), 0);
  return {
    streams: sum(({ streams }) => streams),
    subscriptions: sum(({ totals }) => totals.subscriptions),
    held: sum(({ totals }) => totals.held),
  };
}

function* statusOf(services: readonly SdsService[]): Generator<StreamStatus> {
  for (const service of services) yield* service.status();
}

/** The same fetch, but not at once. One that is cancelled before it began is never made. */
function delayed<Message>(fetch: Fetch<Message>, afterStart: AfterStart): Fetch<Message> {
  return (listener) => {
    let cancel: (() => void) | undefined;
    const forget = afterStart.run(() => {
      cancel = fetch(listener);
    });
    return () => {
      forget();
      cancel?.();
    };
  };
}

function grpcLimits({ sds: { limits } }: Configuration): GrpcLimits {
  return {
    ...withRequestBytes(DEFAULT_LIMITS, limits.request_bytes),
    maxConnections: limits.connections,
    maxStreamsPerConnection: limits.streams_per_connection,
    maxCalls: USER_CONNECTIONS * limits.streams_per_connection,
  };
}

function accessRules({ sds: { allow } }: Configuration): AccessRules | undefined {
  return allow && configuredRules(allow);
}
