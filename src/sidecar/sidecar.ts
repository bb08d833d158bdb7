/** The composition root: connects the Workload API, the configured secrets and the socket that serves SDS. */
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { AccessRules } from '../access/access-rules.ts';
import { type Clock, systemClock } from '../clock.ts';
import type { Configuration } from '../config/schema/schema.ts';
import { exactMatcherOf, matcherOf } from '../config/values/pattern.ts';
import { prefixesOf } from '../config/values/presets.ts';
import { formatEndpoint } from '../endpoint.ts';
import type { EventListener } from '../events.ts';
import { SDS, SdsService, type SdsSettings } from '../sds/service.ts';
import type { StreamStatus } from '../sds/stream/stream-status.ts';
import type { Naming } from '../secrets/naming.ts';
import { SecretPublisher } from '../secrets/publisher.ts';
import type { NameDescription } from '../secrets/secret-set.ts';
import { namedTokens, tokenRequests } from '../secrets/token-set.ts';
import { GrpcServer } from '../server/grpc/grpc-server.ts';
import { HealthService } from '../server/grpc/health.ts';
import { DEFAULT_LIMITS, type GrpcLimits, withRequestBytes } from '../server/grpc/limits.ts';
import { KeptListener } from '../server/kept-listener.ts';
import type { CredentialsReader } from '../server/peer.ts';
import { isOpenToAll } from '../server/unix-listener.ts';
import { CertificateReader } from '../spiffe/certificate-reader.ts';
import type { SidecarCounts } from '../state/counts.ts';
import { type Fetch, fetchJwtBundles, fetchJwtSvid, fetchX509Bundles, fetchX509Svid } from '../workload-api/client.ts';
import { JwtBundleWatch } from '../workload-api/jwt-bundle-watch.ts';
import { TokenSource } from '../workload-api/token-source.ts';
import { X509Watch } from '../workload-api/watch.ts';
import { AfterStart } from './after-start.ts';
import { startNeeds } from './start-needs.ts';

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
  readonly jwtBundles: Pick<JwtBundleWatch, 'known' | 'of'>;
  /** Applies the settings that can change while it runs. Addresses and the socket's mode and group stay as they were. */
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
  const { workloadApi: endpoint, gid, readCredentials } = await startNeeds(configuration);
  let inForce = configuration;
  const afterStart = new AfterStart(clock);
  const events: EventListener = (event) => {
    tell(event);
    if (event.type === 'workload_api_lost') afterStart.answered();
    // Events of one stream are frequent, and do not change readiness.
    if (!('stream' in event)) health.look();
  };
  let settings: SdsSettings = { ...sdsSettings(configuration), access: accessRules(configuration) };
  const service = new SdsService(settings, { events, clock });
  const health = new HealthService({ [SDS]: ready ?? (() => service.secrets.ids.length > 0) });
  const server = new GrpcServer([service, health], {
    limits: grpcLimits(configuration),
    admits(peer) {
      const refusal = settings.access?.refuses(peer);
      if (refusal === undefined) return true;
      const { rule, reason } = refusal;
      events({ type: 'access_denied', peer, node: '', reason, ...(rule !== undefined && { rule }) });
      return false;
    },
    listener: {
      opened: (peer) => events({ type: 'connection_opened', peer }),
      closed: (peer) => events({ type: 'connection_closed', peer }),
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
    server: createServer((socket) => server.accept(socket)),
    clock,
    onLost: (reason) => events({ type: 'socket_lost', address, reason }),
    onRestored: () => events({ type: 'socket_restored', address }),
  });
  events({ type: 'listening', address, mode: sds.mode.toString(8).padStart(4, '0') });
  const folder = dirname(sds.listen.path);
  if (await isOpenToAll(folder)) events({ type: 'socket_unprotected', address, folder });

  const tokens = new TokenSource({
    fetch: fetchJwtSvid(endpoint),
    clock,
    random,
    onPermissionDenied: () => inForce.on_permission_denied,
    events,
    onChange: (cause) => publisher.tokensChanged(cause),
  });
  const jwtBundles = new JwtBundleWatch({
    fetch: fetchJwtBundles(endpoint),
    clock,
    random,
    onPermissionDenied: () => inForce.on_permission_denied,
    events,
  });
  const naming = namingOf(configuration);
  tokens.configure(tokenRequests(namedTokens(naming)));
  const publisher = new SecretPublisher(naming, {
    clock,
    events,
    publish: (update) => service.update(update),
    tokens,
  });
  const watch = new X509Watch({
    fetchSvids: fetchX509Svid(endpoint),
    fetchBundles: delayed(fetchX509Bundles(endpoint), afterStart),
    address: formatEndpoint(endpoint),
    reader: new CertificateReader(),
    clock,
    random,
    onPermissionDenied: () => inForce.on_permission_denied,
    events,
    onContext: (context, reason) => {
      tokens.adopt(context);
      publisher.adopt(context, reason);
      afterStart.answered();
    },
  });
  await beforeIdentities?.();
  watch.start();

  const stop = async () => {
    events({ type: 'draining', streams: service.streams });
    watch.stop();
    tokens.stop();
    jwtBundles.stop();
    publisher.stop();
    await listener.close();
    await server.close(DRAIN_MS);
    events({ type: 'stopped' });
  };
  return {
    get names() {
      return service.secrets.names;
    },
    describe: (name) => service.secrets.describe(name),
    get counts() {
      return { connections: server.connections, streams: service.streams, ...service.totals };
    },
    get streams() {
      return service.status();
    },
    jwtBundles,
    configure(next) {
      // The same rules stay the same object: then no stream asks them again.
      const access = isDeepStrictEqual(next.sds.allow, inForce.sds.allow) ? settings.access : accessRules(next);
      settings = { ...sdsSettings(next), access };
      inForce = next;
      server.configure(grpcLimits(next));
      service.configure(settings);
      const naming = namingOf(next);
      tokens.configure(tokenRequests(namedTokens(naming)));
      publisher.configure(naming);
    },
    identifyPeers(read) {
      server.identifyPeers(read);
      if (settings.access !== undefined) service.configure(settings);
    },
    shed: () => server.shed(),
    afterStart: (work) => afterStart.run(work),
    stop,
    [Symbol.asyncDispose]: stop,
  };
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

function sdsSettings({ sds, names, validation }: Configuration): SdsSettings {
  return {
    validation: validation.mode,
    answerEmptyRequest: names.answer_empty_request,
    onDemand: matcherOf(names.on_demand),
    maxNames: sds.limits.names_per_stream,
    bundleAckTimeoutMs: sds.bundle_ack_timeout,
  };
}

function grpcLimits({ sds: { limits } }: Configuration): GrpcLimits {
  return {
    ...withRequestBytes(DEFAULT_LIMITS, limits.request_bytes),
    maxConnections: limits.connections,
    maxStreamsPerConnection: limits.streams_per_connection,
  };
}

function namingOf({ names, secrets, validation }: Configuration): Naming {
  const { crl, unsafe_merge } = validation;
  return { ...names, prefixes: prefixesOf(names.preset), secrets, crl, unsafe_merge };
}

function accessRules({ sds: { allow } }: Configuration): AccessRules | undefined {
  if (allow === undefined) return undefined;
  const rules = allow.map(({ uid, gid, node_id, node_cluster, names }) => ({
    uids: uid,
    gids: gid,
    nodeId: node_id && exactMatcherOf(node_id),
    nodeCluster: node_cluster && exactMatcherOf(node_cluster),
    names,
  }));
  return new AccessRules(rules, exactMatcherOf);
}
