/** What an Envoy's configuration says of secrets: a bootstrap file, or the configuration that a running Envoy shows. */

export type SecretSlot = 'tls_certificate' | 'validation_context' | 'generic_secret';

/** One place where a secret is asked for. */
export interface AskedSecret {
  readonly name: string;
  readonly slot: SecretSlot;
  /** The cluster that is asked; absent with ADS. */
  readonly cluster?: string;
  readonly ads: boolean;
  readonly delta: boolean;
  /** The ConfigSource as text: two that differ are two subscriptions. */
  readonly source: string;
  readonly waitsForEver: boolean;
  /** The SAN types of the matchers beside it. */
  readonly matchers: readonly string[];
  /** The static cluster that asks; absent of a listener. */
  readonly ofCluster?: string;
}

export interface EnvoyCluster {
  readonly name: string;
  readonly http2: boolean;
  /** Of its first endpoint, when that is a Unix socket. */
  readonly path?: string;
  /** `max_requests` of the default priority. */
  readonly maxRequests: number;
}

export interface EnvoyConfiguration {
  /** What it says of itself; absent when the bootstrap does not tell, but a flag of Envoy. */
  readonly node?: { readonly id: string; readonly cluster: string };
  readonly clusters: readonly EnvoyCluster[];
  readonly asked: readonly AskedSecret[];
}

type Tree = Readonly<Record<string, unknown>>;

const DEFAULT_MAX_REQUESTS = 1024;
const SLOTS: Readonly<Record<string, SecretSlot>> = {
  tls_certificate_sds_secret_configs: 'tls_certificate',
  validation_context_sds_secret_config: 'validation_context',
  credential: 'generic_secret',
};

/**
 * @param bootstrap as YAML or JSON was read; names in snake_case, as Envoy prints them, or in lowerCamelCase
 * @param more listeners and clusters that came by xDS
 */
export function readEnvoyConfiguration(bootstrap: unknown, more: readonly unknown[] = []): EnvoyConfiguration {
  const root = snakeCased(bootstrap) as Tree;
  const resources = treeOf(root['static_resources']);
  const others = more.map(snakeCased);
  const clusters = [...listOf(resources['clusters']), ...others.filter((one) => 'load_assignment' in treeOf(one))];
  const asked: AskedSecret[] = [];
  for (const cluster of listOf(resources['clusters'])) collect(cluster, asked, [], String(treeOf(cluster)['name']));
  for (const listener of listOf(resources['listeners'])) collect(listener, asked, []);
  for (const other of others) collect(other, asked, []);
  const { id, cluster } = treeOf(root['node']);
  return {
    ...(typeof id === 'string' && typeof cluster === 'string' && { node: { id, cluster } }),
    clusters: clusters.map((one) => clusterOf(treeOf(one))),
    asked,
  };
}

function collect(value: unknown, into: AskedSecret[], matchers: readonly string[], ofCluster?: string): void {
  if (Array.isArray(value)) {
    for (const part of value) collect(part, into, matchers, ofCluster);
    return;
  }
  const tree = treeOf(value);
  const beside = [...matchers, ...matchersOf(tree)];
  for (const [key, part] of Object.entries(tree)) {
    const slot = SLOTS[key];
    const configs = slot === undefined ? [] : [part].flat().filter((one) => 'sds_config' in treeOf(one));
    for (const config of configs) into.push(askedOf(treeOf(config), slot as SecretSlot, beside, ofCluster));
    if (configs.length === 0) collect(part, into, beside, ofCluster);
  }
}

/** Those of a combined validation context stand in its default, beside the name of the secret. */
function matchersOf(tree: Tree): readonly string[] {
  const found = treeOf(tree['default_validation_context'])['match_typed_subject_alt_names'];
  return listOf(found).map((matcher) => String(treeOf(matcher)['san_type'] ?? 'SAN_TYPE_UNSPECIFIED'));
}

function askedOf(config: Tree, slot: SecretSlot, matchers: readonly string[], ofCluster: string | undefined): AskedSecret {
  const source = treeOf(config['sds_config']);
  const api = treeOf(source['api_config_source']);
  const cluster = treeOf(treeOf(listOf(api['grpc_services'])[0])['envoy_grpc'])['cluster_name'];
  return {
    name: String(config['name'] ?? ''),
    slot,
    ...(typeof cluster === 'string' && { cluster }),
    ads: 'ads' in source,
    delta: api['api_type'] === 'DELTA_GRPC',
    source: canonical(source),
    waitsForEver: /^0+(\.0*)?s$/.test(String(source['initial_fetch_timeout'])),
    matchers: slot === 'validation_context' ? matchers : [],
    ...(ofCluster !== undefined && { ofCluster }),
  };
}

function clusterOf(cluster: Tree): EnvoyCluster {
  const options = treeOf(
    treeOf(cluster['typed_extension_protocol_options'])['envoy.extensions.upstreams.http.v3.HttpProtocolOptions'],
  );
  const explicit = treeOf(options['explicit_http_config']);
  const endpoints = treeOf(listOf(treeOf(cluster['load_assignment'])['endpoints'])[0]);
  const address = treeOf(treeOf(treeOf(listOf(endpoints['lb_endpoints'])[0])['endpoint'])['address']);
  const path = treeOf(address['pipe'])['path'];
  const thresholds = listOf(treeOf(cluster['circuit_breakers'])['thresholds']).map(treeOf);
  const max = thresholds.find(({ priority }) => priority === undefined || priority === 'DEFAULT')?.['max_requests'];
  return {
    name: String(cluster['name'] ?? ''),
    http2: 'http2_protocol_options' in explicit || 'http2_protocol_options' in cluster,
    ...(typeof path === 'string' && { path }),
    maxRequests: Number(max ?? DEFAULT_MAX_REQUESTS),
  };
}

/** Keys of a map that somebody named, such as an extension, stay as they are: they have a point in them. */
function snakeCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCased);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, part]) => [
    /[.@]/.test(key) ? key : key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    snakeCased(part),
  ]);
  return Object.fromEntries(entries);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, part) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

function treeOf(value: unknown): Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Tree) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
