/** An Envoy bootstrap as a value: mutual TLS with secrets of the sidecar. It works as it is, on Envoy 1.36 to 1.40. */
import { jwtCluster, serverFilters, tokenInjector } from './filters.ts';
import { type BootstrapOptions, type ClientOptions, HTTP_MANAGER, HTTP2_OPTIONS, SDS_CLUSTER } from './options.ts';

const HTTP_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
/** Below the lifetime of SVIDs: an open connection outlives a rotation, and the withdrawal of trust. */
const MAX_CONNECTION_DURATION = '1800s';

export function bootstrapOf(options: BootstrapOptions): object {
  const { node, sdsSocket, adminPort, server, client, ads, jwt } = options;
  const source = apiSource(options);
  return {
    node: { id: node, cluster: node },
    admin: { address: socketAddress('127.0.0.1', adminPort) },
    ...(ads && { dynamic_resources: { ads_config: source } }),
    static_resources: {
      clusters: [
        sdsCluster(sdsSocket),
        ...(jwt === undefined ? [] : [jwtCluster(jwt)]),
        ...(client === undefined ? [] : [upstream(options, client)]),
      ],
      listeners: [
        ...(server === undefined ? [] : [mtls(options, server.port)]),
        ...(client === undefined ? [] : [plain(options, client)]),
      ],
    },
  };
}

/** Envoy takes clusters in their order: this one is the first. */
function sdsCluster(path: string): object {
  return {
    name: SDS_CLUSTER,
    type: 'STATIC',
    connect_timeout: '1s',
    typed_extension_protocol_options: { [HTTP_OPTIONS]: HTTP2_OPTIONS },
    circuit_breakers: { thresholds: [{ max_connections: 1024, max_pending_requests: 100_000, max_requests: 100_000 }] },
    load_assignment: {
      cluster_name: SDS_CLUSTER,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path } } } }] }],
    },
  };
}

function apiSource({ delta }: BootstrapOptions): object {
  return {
    api_type: delta ? 'DELTA_GRPC' : 'GRPC',
    transport_api_version: 'V3',
    set_node_on_first_message_only: true,
    grpc_services: [
      {
        envoy_grpc: {
          cluster_name: SDS_CLUSTER,
          retry_policy: { retry_back_off: { base_interval: '0.1s', max_interval: '2s' } },
        },
      },
    ],
  };
}

/** @param ads not for a static cluster: Envoy crashes with it at its start */
function sdsConfig(options: BootstrapOptions, ads: boolean): object {
  const common = { resource_api_version: 'V3', initial_fetch_timeout: '15s' };
  return ads ? { ...common, ads: {} } : { ...common, api_config_source: apiSource(options) };
}

function tlsContext(options: BootstrapOptions, ads: boolean, alpn: readonly string[], matchers: readonly object[]): object {
  const source = sdsConfig(options, ads);
  return {
    alpn_protocols: alpn,
    tls_certificate_sds_secret_configs: [{ name: options.svid, sds_config: source }],
    combined_validation_context: {
      default_validation_context: { match_typed_subject_alt_names: matchers },
      validation_context_sds_secret_config: { name: options.bundle, sds_config: source },
    },
  };
}

function mtls(options: BootstrapOptions, port: number): object {
  const matchers = options.peers.map((prefix) => ({ san_type: 'URI', matcher: { prefix } }));
  return {
    name: 'mtls',
    address: socketAddress('0.0.0.0', port),
    filter_chains: [
      {
        transport_socket: {
          name: 'envoy.transport_sockets.tls',
          typed_config: {
            '@type': `${TLS}.DownstreamTlsContext`,
            require_client_certificate: true,
            common_tls_context: tlsContext(options, options.ads, ['h2', 'http/1.1'], matchers),
          },
        },
        filters: [
          manager(
            'mtls',
            { direct_response: { status: 200, body: { inline_string: 'it works\n' } } },
            {
              normalize_path: true,
              merge_slashes: true,
              path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT',
              common_http_protocol_options: { max_connection_duration: MAX_CONNECTION_DURATION },
              http1_safe_max_connection_duration: true,
              http_filters: [...serverFilters(options), router()],
            },
          ),
        ],
      },
    ],
  };
}

function plain(options: BootstrapOptions, { port, token }: ClientOptions): object {
  const filters = [...(token === undefined ? [] : [tokenInjector(token, sdsConfig(options, options.ads))]), router()];
  return {
    name: 'plain',
    address: socketAddress('127.0.0.1', port),
    filter_chains: [{ filters: [manager('plain', { route: { cluster: 'upstream' } }, { http_filters: filters })] }],
  };
}

function upstream(options: BootstrapOptions, { host, upstreamPort, serverId }: ClientOptions): object {
  const matchers = [{ san_type: 'URI', matcher: { exact: serverId } }];
  return {
    name: 'upstream',
    type: 'STATIC',
    connect_timeout: '5s',
    typed_extension_protocol_options: {
      [HTTP_OPTIONS]: { ...HTTP2_OPTIONS, common_http_protocol_options: { max_connection_duration: MAX_CONNECTION_DURATION } },
    },
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: { '@type': `${TLS}.UpstreamTlsContext`, common_tls_context: tlsContext(options, false, ['h2'], matchers) },
    },
    load_assignment: {
      cluster_name: 'upstream',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(host, upstreamPort) } }] }],
    },
  };
}

function manager(name: string, action: object, more: object): object {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': HTTP_MANAGER,
      stat_prefix: name,
      route_config: { name, virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, ...action }] }] },
      ...more,
    },
  };
}

function router(): object {
  return {
    name: 'envoy.filters.http.router',
    typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
  };
}

function socketAddress(address: string, port_value: number): object {
  return { socket_address: { address, port_value } };
}
