/** The composition root: a Workload API on one side, a socket that serves SDS on the other, and what was configured in between. */
import { type Clock, systemClock } from './clock.ts';
import { matcherOf } from './config/pattern.ts';
import type { Configuration } from './config/schema.ts';
import { formatEndpoint } from './endpoint.ts';
import { SpiffeSdsError } from './error.ts';
import type { EventListener } from './events.ts';
import { SdsService } from './sds/service.ts';
import { createSecretSet } from './secrets/secret-set.ts';
import { needsBundleFirst } from './secrets/staged-set.ts';
import { gidOf } from './server/group.ts';
import { GrpcServer } from './server/grpc-server.ts';
import { UnixListener } from './server/unix-listener.ts';
import { CertificateReader } from './spiffe/certificate.ts';
import { EMPTY_CONTEXT } from './spiffe/x509-context.ts';
import { fetchX509Svid } from './workload-api/client.ts';
import { X509Watch } from './workload-api/watch.ts';

/** Kubernetes and Docker wait longer than this before they kill. */
const DRAIN_MS = 5_000;

export interface SidecarOptions {
  readonly configuration: Configuration;
  readonly events: EventListener;
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
}

export interface Sidecar extends AsyncDisposable {
  /** The names that are served now. */
  readonly names: readonly string[];
  /** Ends all streams, closes the socket and removes it. */
  stop(): Promise<void>;
}

/**
 * Listens first, so that an Envoy that is already there finds a socket, then loads what it takes to verify, then asks for identities.
 *
 * @throws SpiffeSdsError `config_invalid` without a Workload API address, `listen_failed` when the socket cannot be had
 */
export async function startSidecar({
  configuration,
  events,
  clock = systemClock,
  random = Math.random,
}: SidecarOptions): Promise<Sidecar> {
  const { workload_api, sds, names, validation } = configuration;
  if (workload_api.address === undefined) {
    throw new SpiffeSdsError(
      'config_invalid',
      'no Workload API address: set SPIFFE_ENDPOINT_SOCKET, --workload-api or workload_api.address, for example unix:///run/spire/agent/api.sock',
    );
  }
  const { connections, streams_per_connection, names_per_stream, request_bytes } = sds.limits;
  const service = new SdsService({
    validation: validation.mode,
    answerEmptyRequest: names.answer_empty_request,
    onDemand: matcherOf(names.on_demand),
    maxNames: names_per_stream,
    bundleAckTimeoutMs: sds.bundle_ack_timeout,
    events,
    clock,
  });
  const server = new GrpcServer(service.grpc, {
    maxConnections: connections,
    maxStreamsPerConnection: streams_per_connection,
    maxRequestBytes: request_bytes,
    onRefused: () => events({ type: 'connection_refused', limit: connections }),
  });
  const listener = await UnixListener.open({
    path: sds.listen.path,
    mode: sds.mode,
    setting: 'sds.listen',
    ...(sds.group !== undefined && { gid: await gidOf(sds.group) }),
    onConnection: (socket) => server.accept(socket),
  });
  events({ type: 'listening', address: formatEndpoint(sds.listen), mode: sds.mode.toString(8).padStart(4, '0') });

  let served = EMPTY_CONTEXT;
  const watch = new X509Watch({
    fetch: fetchX509Svid(workload_api.address),
    address: formatEndpoint(workload_api.address),
    reader: await CertificateReader.load(),
    clock,
    random,
    events,
    onContext(context) {
      const bundleFirst = needsBundleFirst(served, context, clock.now());
      served = context;
      service.update(createSecretSet(context, names), bundleFirst);
    },
  });
  watch.start();

  const stop = async () => {
    events({ type: 'draining', streams: service.streams });
    watch.stop();
    await listener.close();
    await server.close(DRAIN_MS);
    events({ type: 'stopped' });
  };
  return {
    get names() {
      return service.secrets.names;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
