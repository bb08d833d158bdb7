/** Asks a real Envoy what it makes of a secret: pushes it over SDS and waits for the ACK or the NACK. */
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import type { DiscoveryRequest, DiscoveryResponse } from '../../../src/gen/messages.ts';
import { SECRET_TYPE_URL, type SecretContent } from '../../../src/secrets/secret.ts';
import { encode, type Input, method } from '../../../src/wire/wire.ts';
import { eventually } from '../../support/eventually.ts';
import { Envoy } from '../../support/mesh/envoy.ts';

const SDS = 'envoy.service.secret.v3.SecretDiscoveryService';
const SECRET = 'envoy.extensions.transport_sockets.tls.v3.Secret';
const PATIENCE_MS = 20_000;

type Call = ServerDuplexStream<DiscoveryRequest, Input<DiscoveryResponse>>;

/** The stream of one secret. */
interface Lane {
  readonly call: Call;
  pushed: number;
  waiting: ((problem: string | undefined) => void) | undefined;
}

export class SdsOracle implements AsyncDisposable {
  readonly #server = new Server();
  readonly #lanes = new Map<string, Lane>();
  readonly #parts = new AsyncDisposableStack();
  readonly #applied = new Map<string, number>();
  #envoy: Envoy | undefined;

  /**
   * Starts an Envoy whose listeners, one for each secret, are live.
   * @param listeners by the name of the one secret that it waits for: its DownstreamTlsContext
   * @param first what each has to begin with
   */
  static async start(
    listeners: (sdsConfig: object) => Readonly<Record<string, object>>,
    first: Readonly<Record<string, SecretContent>>,
    version?: string,
  ): Promise<SdsOracle> {
    const oracle = new SdsOracle();
    const folder = oracle.#parts.use(await mkdtempDisposable(join(tmpdir(), 'oracle-'))).path;
    const socket = join(folder, 's');
    oracle.#server.addService(
      { StreamSecrets: method(SDS, 'StreamSecrets') },
      { StreamSecrets: (call: Call) => call.on('data', (request: DiscoveryRequest) => oracle.#hear(call, request)) },
    );
    oracle.#parts.defer(() => oracle.#server.forceShutdown());
    await new Promise<void>((resolve, reject) => {
      oracle.#server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
        error ? reject(error) : resolve(),
      );
    });
    const envoy = await Envoy.start(bootstrap(socket, listeners(SDS_CONFIG)), version);
    oracle.#envoy = oracle.#parts.use(envoy);
    for (const [name, content] of Object.entries(first)) {
      await eventually(`the subscription to ${name}`, async () => oracle.#lanes.get(name));
      const problem = await oracle.ask(name, content);
      if (problem !== undefined) throw new Error(`Envoy refuses what it is to begin with: ${problem}`);
    }
    await envoy.live();
    return oracle;
  }

  get envoy(): Envoy {
    if (this.#envoy === undefined) throw new Error('it was not started');
    return this.#envoy;
  }

  /**
   * Each content must be another: bytes that Envoy has seen already it takes without looking.
   * @returns why Envoy refuses it; undefined: it does not
   * @throws when Envoy does not answer, as when it crashed
   */
  async ask(name: string, content: SecretContent): Promise<string | undefined> {
    const lane = this.#lanes.get(name);
    if (lane === undefined || lane.waiting !== undefined) throw new Error(`there is no free stream for ${name}`);
    const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
    lane.waiting = resolve;
    lane.pushed += 1;
    const timer = setTimeout(() => reject(new Error(`Envoy does not answer:\n${this.envoy.log.slice(-2_000)}`)), PATIENCE_MS);
    lane.call.write({
      version_info: String(lane.pushed),
      nonce: String(lane.pushed),
      type_url: SECRET_TYPE_URL,
      resources: [{ type_url: SECRET_TYPE_URL, value: encode(SECRET, { name, ...content }) }],
    });
    try {
      const problem = await promise;
      if (problem === undefined) this.#applied.set(name, (this.#applied.get(name) ?? 0) + 1);
      return problem;
    } finally {
      clearTimeout(timer);
    }
  }

  /** @throws when an ACK did not mean that Envoy uses what it was sent */
  async verify(): Promise<void> {
    for (const [name, asked] of this.#applied) {
      const applied = await this.envoy.stat(`listener.${name}.server_ssl_socket_factory.ssl_context_update_by_sds`);
      if (applied !== asked) throw new Error(`Envoy took ${asked} contents of ${name} and uses ${applied}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
  }

  #hear(call: Call, { resource_names, response_nonce, error_detail }: DiscoveryRequest): void {
    const [name] = resource_names;
    if (name === undefined) return;
    const lane = this.#lanes.get(name);
    if (lane === undefined || lane.call !== call) {
      this.#lanes.set(name, { call, pushed: lane?.pushed ?? 0, waiting: undefined });
      call.on('error', () => undefined);
    } else if (response_nonce === String(lane.pushed)) {
      lane.waiting?.(error_detail ? error_detail.message || 'it does not say why' : undefined);
      lane.waiting = undefined;
    }
  }
}

const SDS_CONFIG = {
  resource_api_version: 'V3',
  initial_fetch_timeout: '60s',
  api_config_source: {
    api_type: 'GRPC',
    transport_api_version: 'V3',
    set_node_on_first_message_only: true,
    grpc_services: [{ envoy_grpc: { cluster_name: 'sds' } }],
  },
};

function bootstrap(socket: string, listeners: Readonly<Record<string, object>>): string {
  const http2 = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
  return JSON.stringify({
    node: { id: 'oracle', cluster: 'oracle' },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    static_resources: {
      clusters: [
        {
          name: 'sds',
          typed_extension_protocol_options: {
            [http2]: { '@type': `type.googleapis.com/${http2}`, explicit_http_config: { http2_protocol_options: {} } },
          },
          load_assignment: {
            cluster_name: 'sds',
            endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: socket } } } }] }],
          },
        },
      ],
      listeners: Object.entries(listeners).map(([name, context]) => ({
        name,
        stat_prefix: name,
        address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
        filter_chains: [{ transport_socket: transportSocket(context), filters: [ECHO] }],
      })),
    },
  });
}

/** For who gets through the handshake. */
const ECHO = {
  name: 'envoy.filters.network.echo',
  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo' },
};

function transportSocket(context: object): object {
  const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';
  return { name: 'envoy.transport_sockets.tls', typed_config: { '@type': type, ...context } };
}
