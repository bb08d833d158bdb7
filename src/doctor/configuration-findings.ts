/** What an Envoy's configuration says of the SDS cluster, of its ConfigSources and of matchers. */
import type { AskedSecret, EnvoyCluster, EnvoyConfiguration } from './envoy-configuration.ts';
import { connections } from './envoy-facts.ts';
import type { Facts } from './facts.ts';
import type { Suspicion } from './finding.ts';
import { nodeOf } from './in-force.ts';
import { ownDomains } from './name-findings.ts';

const HTTP2 =
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http2_protocol_options: {} } }';

export const NO_SECRETS = 'Envoy gets no secrets from there: its listeners reset every connection.';

/** The SDS cluster, and what stands beside the names. */
export function configurationSuspicions(facts: Facts, configuration: EnvoyConfiguration): readonly Suspicion[] {
  const { clusters, asked } = configuration;
  const used = [...new Set(asked.flatMap(({ cluster }) => cluster ?? []))];
  return [
    ...used.flatMap((name) => {
      const cluster = clusters.find((one) => one.name === name);
      return cluster === undefined ? [noCluster(name, facts)] : clusterSuspicions(facts, cluster, configuration);
    }),
    ...asked.filter(({ ads, ofCluster }) => ads && ofCluster !== undefined).map(({ ofCluster = '' }) => crashes(ofCluster)),
    ...twoSources(asked),
    ...asked.filter(({ waitsForEver }) => waitsForEver).map(({ name }) => waits(name)),
    ...asked.filter((one) => hasOnlyDns(one, facts)).map(({ name }) => dnsMatchers(name, facts)),
  ];
}

function noCluster(name: string, { sds }: Facts): Suspicion {
  return {
    id: 'envoy.no_sds_cluster',
    severity: 'broken',
    what: `Secrets are asked for through the cluster ${name}, which the bootstrap does not have.`,
    why: NO_SECRETS,
    fix: `static_resources: { clusters: [{ name: ${name}, type: STATIC, typed_extension_protocol_options: { ${HTTP2} }, load_assignment: { cluster_name: ${name}, endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: ${sds.path} } } } }] }] } }] }`,
  };
}

/** Whether the sidecar has a stream of this Envoy, whatever path leads there: the two may mount one folder at two places. */
function isSubscribed(facts: Facts): boolean {
  const { sidecar, envoy } = facts;
  if (sidecar.kind !== 'status' || envoy?.kind !== 'running') return false;
  const id = nodeOf(facts)?.id;
  return connections(envoy.envoy).includes(1) && sidecar.status.subscribers.some(({ node }) => node === id);
}

function clusterSuspicions(facts: Facts, cluster: EnvoyCluster, { clusters, asked }: EnvoyConfiguration): readonly Suspicion[] {
  const { sds } = facts;
  const place = clusters.indexOf(cluster);
  const early = clusters
    .slice(0, place)
    .find(({ name }) => asked.some((one) => one.ofCluster === name && one.cluster === cluster.name));
  const subscriptions = new Set(asked.filter((one) => one.cluster === cluster.name).map(subscription)).size;
  const { name, path, http2, maxRequests } = cluster;
  return [
    ...(early === undefined
      ? []
      : [
          {
            id: 'envoy.cluster_after_use',
            severity: 'warning' as const,
            what: `The cluster ${name} stands after the cluster ${early.name}, which gets its secrets through it.`,
            why: 'Envoy 1.36 and 1.40 start all the same; it is not promised, and other versions may refuse it.',
            fix: `Move the cluster ${name} to the first place under static_resources.clusters.`,
          },
        ]),
    ...(http2
      ? []
      : [
          {
            id: 'envoy.no_http2',
            severity: 'broken' as const,
            what: `The cluster ${name} does not speak HTTP/2.`,
            why: NO_SECRETS,
            fix: `typed_extension_protocol_options: { ${HTTP2} }`,
          },
        ]),
    ...(path === undefined || !path.startsWith('/') || path === sds.path || isSubscribed(facts)
      ? []
      : [
          {
            id: 'envoy.other_socket',
            severity: 'broken' as const,
            what: `The cluster ${name} connects to ${path}, and the sidecar serves ${sds.path}.`,
            why: NO_SECRETS,
            fix: `address: { pipe: { path: ${sds.path} } }`,
          },
        ]),
    ...(subscriptions <= maxRequests
      ? []
      : [
          {
            id: 'envoy.circuit_breaker',
            severity: 'broken' as const,
            what: `The cluster ${name} allows ${maxRequests} requests at a time, and the configuration has ${subscriptions} subscriptions, each of which is a request that never ends.`,
            why: 'The subscriptions that are too many fail again and again.',
            fix: 'circuit_breakers: { thresholds: [{ max_connections: 1024, max_pending_requests: 100000, max_requests: 100000 }] }',
          },
        ]),
  ];
}

function subscription({ name, slot, source }: AskedSecret): string {
  return JSON.stringify([name, slot, source]);
}

function crashes(cluster: string): Suspicion {
  return {
    id: 'envoy.ads_in_cluster',
    severity: 'broken',
    what: `The static cluster ${cluster} gets a secret with sds_config: { ads: {} }.`,
    why: 'Envoy crashes at its start.',
    fix: 'Write an api_config_source with the SDS cluster there, or let the cluster come by CDS.',
  };
}

function twoSources(asked: readonly AskedSecret[]): readonly Suspicion[] {
  const first = new Map<string, AskedSecret>();
  return asked.flatMap((one) => {
    const key = `${one.slot} ${one.name}`;
    const before = first.get(key) ?? one;
    first.set(key, before);
    if (before.source === one.source) return [];
    return [
      {
        id: 'envoy.two_sources',
        severity: one.delta || before.delta || one.ads || before.ads ? ('broken' as const) : ('warning' as const),
        what: `${one.name} is asked for by two different ConfigSources.`,
        why: 'To Envoy they are two subscriptions. With delta or ADS the second may get nothing, and its listener resets connections.',
        fix: 'Write the same sds_config at each place, to the byte: a YAML anchor (&sds, *sds) keeps them the same.',
      },
    ];
  });
}

function waits(name: string): Suspicion {
  return {
    id: 'envoy.waits_for_ever',
    severity: 'warning',
    what: `initial_fetch_timeout is 0s for ${name}.`,
    why: 'While the secret does not come, the listener stays closed, and in a static cluster Envoy does not start, for ever.',
    fix: 'initial_fetch_timeout: 15s',
  };
}

/** The SPIFFE validator takes URI matchers only. */
function hasOnlyDns({ name, slot, matchers }: AskedSecret, { sds: { answer } }: Facts): boolean {
  if (slot !== 'validation_context' || matchers.length === 0 || matchers.includes('URI')) return false;
  const served = answer?.kind === 'secrets' ? answer.secrets.find((secret) => secret.name === name) : undefined;
  return served === undefined || served.spiffe !== undefined;
}

function dnsMatchers(name: string, facts: Facts): Suspicion {
  const [trustDomain = 'example.org'] = ownDomains(facts);
  return {
    id: 'envoy.dns_matchers',
    severity: 'broken',
    what: `Beside the validation context ${name} stand matchers of names, and none of a URI: the SPIFFE validator ignores them all.`,
    why: 'Every peer of the trust domain is accepted, whoever it is.',
    fix: `match_typed_subject_alt_names: [{ san_type: URI, matcher: { prefix: "spiffe://${trustDomain}/" } }]`,
  };
}
