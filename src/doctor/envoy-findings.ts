/** What an Envoy's configuration, and the Envoy itself, say of the SDS cluster and of what became of each secret. */
import type { AskedSecret, EnvoyCluster, EnvoyConfiguration } from './envoy-configuration.ts';
import { plainSerial, type RunningEnvoy } from './envoy-facts.ts';
import type { Facts } from './facts.ts';
import type { Suspicion } from './finding.ts';
import { nameSuspicions } from './name-findings.ts';

/** Envoy below it has no SPIFFE validator. */
const FIRST_WITH_VALIDATOR = [1, 18];
/** Those that the project is tested with. */
const TESTED = { first: [1, 36], last: [1, 40] };

const NO_SECRETS = 'Envoy gets no secrets from there: its listeners reset every connection.';

export function envoySuspicions(facts: Facts): readonly Suspicion[] {
  const { bootstrap, envoy } = facts;
  const running = envoy?.kind === 'running' ? envoy.envoy : undefined;
  const configuration = running?.configuration ?? bootstrap;
  return [
    ...(envoy?.kind === 'failed' ? [noAdmin(envoy.url, envoy.reason)] : []),
    ...(running === undefined ? [] : versionOf(running.version)),
    ...(configuration === undefined ? [] : configured(facts, configuration)),
    ...(configuration === undefined ? [] : nameSuspicions(facts, configuration)),
    ...(running === undefined ? [] : live(facts, running)),
  ];
}

function noAdmin(url: string, reason: string): Suspicion {
  return {
    id: 'envoy.no_admin',
    severity: 'broken',
    what: `Envoy's admin interface does not answer at ${url}: ${reason}`,
    why: 'Either this Envoy does not run, or nothing can be said of it.',
    fix: 'Start Envoy, or name the address that stands under admin in its bootstrap: --envoy-admin http://127.0.0.1:9901',
  };
}

function versionOf(version: string): readonly Suspicion[] {
  const parts = version.split('.').map(Number);
  if (isBefore(parts, FIRST_WITH_VALIDATOR))
    return [
      {
        id: 'envoy.too_old',
        severity: 'broken',
        what: `Envoy ${version} has no SPIFFE validator, which came with 1.18.`,
        why: 'It rejects every validation context in the form spiffe.',
        fix: 'Update Envoy, or write validation: { mode: trusted_ca } in the configuration of the sidecar.',
      },
    ];
  const tested = !isBefore(parts, TESTED.first) && !isBefore(TESTED.last, parts.slice(0, 2));
  if (tested)
    return [{ id: 'envoy.version', severity: 'fine', what: `Envoy ${version} is a version that spiffe-sds is tested with.` }];
  return [
    {
      id: 'envoy.version_untested',
      severity: 'warning',
      what: `Envoy ${version} is none of the versions that spiffe-sds is tested with, 1.36 to 1.40.`,
      why: 'It may behave in another way.',
      fix: 'Run an Envoy from 1.36 to 1.40.',
    },
  ];
}

function isBefore(version: readonly number[], other: readonly number[]): boolean {
  const [major = 0, minor = 0] = version;
  const [otherMajor = 0, otherMinor = 0] = other;
  return major < otherMajor || (major === otherMajor && minor < otherMinor);
}

function configured(facts: Facts, configuration: EnvoyConfiguration): readonly Suspicion[] {
  const { clusters, asked } = configuration;
  const used = [...new Set(asked.flatMap(({ cluster }) => cluster ?? []))];
  return [
    ...used.flatMap((name) => {
      const cluster = clusters.find((one) => one.name === name);
      return cluster === undefined ? [noCluster(name)] : clusterSuspicions(facts, cluster, configuration);
    }),
    ...asked.filter(({ ads, ofCluster }) => ads && ofCluster !== undefined).map(({ ofCluster = '' }) => crashes(ofCluster)),
    ...twoSources(asked),
    ...asked.filter(({ waitsForEver }) => waitsForEver).map(({ name }) => waits(name)),
    ...asked.filter((one) => hasOnlyDns(one, facts)).map(({ name }) => dnsMatchers(name)),
  ];
}

function noCluster(name: string): Suspicion {
  return {
    id: 'envoy.no_sds_cluster',
    severity: 'broken',
    what: `Secrets are asked for through the cluster ${name}, which the bootstrap does not have.`,
    why: 'Envoy does not start with it.',
    fix: `Add a static cluster ${name}; spiffe-sds bootstrap prints one.`,
  };
}

function clusterSuspicions({ sds }: Facts, cluster: EnvoyCluster, { clusters, asked }: EnvoyConfiguration): readonly Suspicion[] {
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
            fix: 'typed_extension_protocol_options: { envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http2_protocol_options: {} } } }',
          },
        ]),
    ...(path === undefined || !path.startsWith('/') || path === sds.path
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

function dnsMatchers(name: string): Suspicion {
  return {
    id: 'envoy.dns_matchers',
    severity: 'broken',
    what: `Beside the validation context ${name} stand matchers of names, and none of a URI: the SPIFFE validator ignores them all.`,
    why: 'Every peer of the trust domain is accepted, whoever it is.',
    fix: 'match_typed_subject_alt_names: [{ san_type: URI, matcher: { prefix: "spiffe://example.org/" } }]',
  };
}

const ELSEWHERE = ['workload_api.', 'identity.', 'clock.', 'sds.', 'names.', 'bundle.', 'envoy.'];

function live(facts: Facts, envoy: RunningEnvoy): readonly Suspicion[] {
  const { sidecar, sds } = facts;
  const { stats, warming, state, serials } = envoy;
  const status = sidecar.kind === 'status' ? sidecar.status : undefined;
  const rejected = (status?.subscribers ?? []).flatMap(({ names, last_nack: nack }) =>
    nack === undefined
      ? []
      : names.filter((one) => one.rejected !== undefined).map(({ name }) => ({ name, reason: nack.reason })),
  );
  const counted = [...stats].filter(([name, value]) => /^sds\..*\.update_rejected$/.test(name) && value > 0);
  const open = [...stats].find(
    ([name, value]) => /^cluster\..*\.(upstream_rq_pending_overflow|upstream_rq_active_overflow)$/.test(name) && value > 0,
  );
  const away = [...stats].filter(([name]) => /^sds\..*\.control_plane\.connected_state$/.test(name));
  const served = sds.answer?.kind === 'secrets' ? sds.answer.secrets : [];
  return [
    ...rejected.map(({ name, reason }) => ({
      id: 'envoy.rejected',
      severity: 'broken' as const,
      what: `Envoy rejects ${name}: ${reason}`,
      why: 'It goes on with the content before, or without any.',
      fix: 'Change what the reason names: the CA that issued it, or the matchers of this name under secrets.',
      explainedBy: ['names.wrong_kind'],
    })),
    ...(rejected.length > 0 || status !== undefined
      ? []
      : counted.map(([name]) => ({
          id: 'envoy.rejected',
          severity: 'warning' as const,
          what: `Envoy has rejected a secret: ${name} is not 0.`,
          why: 'It may go on with old content.',
          fix: 'spiffe-sds status tells the reason.',
        }))),
    ...(open === undefined
      ? []
      : [
          {
            id: 'envoy.circuit_breaker',
            severity: 'broken' as const,
            what: `A circuit breaker has refused requests: ${open[0]} is ${open[1]}.`,
            why: 'Subscriptions beyond it fail again and again.',
            fix: 'circuit_breakers: { thresholds: [{ max_connections: 1024, max_pending_requests: 100000, max_requests: 100000 }] }',
            explainedBy: ELSEWHERE,
          },
        ]),
    ...(away.length > 0 && away.every(([, value]) => value === 0)
      ? [
          {
            id: 'envoy.not_connected',
            severity: 'broken' as const,
            what: 'Envoy has no stream to the sidecar.',
            why: NO_SECRETS,
            fix: 'Give the user of Envoy: spiffe-sds doctor --uid UID --gid GID says whether it may connect. Look whether both mount the same folder.',
            explainedBy: ELSEWHERE,
          },
        ]
      : []),
    ...served.flatMap(({ name, serial }) => {
      const shown = serials.get(name);
      if (serial === undefined || shown === undefined || shown.includes(plainSerial(serial))) return [];
      return [
        {
          id: 'envoy.other_certificate',
          severity: 'broken' as const,
          what: `Envoy presents ${name} with the serial ${shown.join(', ')}, and ${plainSerial(serial)} is served.`,
          why: 'Envoy has not taken the rotation; the old certificate will expire.',
          fix: 'spiffe-sds status tells who is subscribed, and what was rejected.',
          explainedBy: ELSEWHERE,
        },
      ];
    }),
    ...warming.map((name) => ({
      id: 'envoy.warming',
      severity: 'broken' as const,
      what: `Envoy (${state}) waits for ${name}.`,
      why: 'Until it comes, what needs it is closed or resets connections.',
      fix: `spiffe-sds get --listen unix://${sds.path} '${name}'`,
      explainedBy: ELSEWHERE,
    })),
  ];
}
