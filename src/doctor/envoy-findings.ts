/** What an Envoy says: its version, and what became of each secret. */
import { configurationSuspicions, NO_SECRETS } from './configuration-findings.ts';
import type { AskedSecret, EnvoyConfiguration } from './envoy-configuration.ts';
import { connections, plainSerial, type RunningEnvoy } from './envoy-facts.ts';
import type { Facts } from './facts.ts';
import type { Suspicion } from './finding.ts';
import { nodeOf } from './in-force.ts';
import { nameSuspicions } from './name-findings.ts';

/** Envoy below it has no SPIFFE validator. */
const FIRST_WITH_VALIDATOR = [1, 18];
/** Those that the project is tested with. */
const TESTED = { first: [1, 36], last: [1, 40] };

export function envoySuspicions(facts: Facts): readonly Suspicion[] {
  const { bootstrap, envoy } = facts;
  const running = envoy?.kind === 'running' ? envoy.envoy : undefined;
  const whole = running?.configuration ?? bootstrap;
  const configuration = whole && ofThisSidecar(whole, facts);
  return [
    ...(envoy?.kind === 'failed' ? [noAdmin(envoy.url, envoy.reason)] : []),
    ...(running === undefined ? [] : versionOf(running.version)),
    ...(configuration === undefined ? [] : configurationSuspicions(facts, configuration)),
    ...(configuration === undefined ? [] : nameSuspicions(facts, configuration)),
    ...(running === undefined ? [] : live(facts, running)),
  ];
}

/** An Envoy may have other sources of secrets: what it asks of them is no business of this sidecar, when it asks this one, too. */
function ofThisSidecar(configuration: EnvoyConfiguration, { sds: { path } }: Facts): EnvoyConfiguration {
  const { clusters, asked } = configuration;
  const isHere = ({ cluster }: AskedSecret) => {
    const there = clusters.find(({ name }) => name === cluster)?.path;
    return there !== undefined && (!there.startsWith('/') || there === path);
  };
  if (!asked.some(isHere)) return configuration;
  const isKnown = ({ cluster }: AskedSecret) => clusters.some(({ name }) => name === cluster);
  return { ...configuration, asked: asked.filter((one) => one.ads || !isKnown(one) || isHere(one)) };
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

const ELSEWHERE = ['workload_api.', 'identity.', 'clock.', 'sds.', 'names.', 'bundle.', 'envoy.'];

function live(facts: Facts, envoy: RunningEnvoy): readonly Suspicion[] {
  const { sidecar, sds } = facts;
  const { stats, warming, state, serials } = envoy;
  const status = sidecar.kind === 'status' ? sidecar.status : undefined;
  const id = nodeOf(facts)?.id;
  const subscribers = (status?.subscribers ?? []).filter(({ node }) => id === undefined || node === id);
  const rejected = subscribers.flatMap(({ names, last_nack: nack }) =>
    nack === undefined
      ? []
      : names.filter((one) => one.rejected !== undefined).map(({ name }) => ({ name, reason: nack.reason })),
  );
  const counted = [...stats].filter(([name, value]) => /^sds\..*\.update_rejected$/.test(name) && value > 0);
  const open = [...stats].find(
    ([name, value]) => /^cluster\..*\.(upstream_rq_pending_overflow|upstream_rq_active_overflow)$/.test(name) && value > 0,
  );
  const connected = connections(envoy);
  const served = sds.answer?.kind === 'secrets' ? sds.answer.secrets : [];
  return [
    ...rejected.map(({ name, reason }) => ({
      id: 'envoy.rejected',
      severity: 'broken' as const,
      what: `Envoy rejects ${name}: ${reason}`,
      why: 'It goes on with the content before, or without any.',
      fix: 'Change what the reason names: the CA that issued it, or the matchers of this name under secrets.',
      explainedBy: ['names.wrong_kind', 'envoy.too_old'],
    })),
    ...(rejected.length > 0 || status !== undefined
      ? []
      : counted.map(([name]) => ({
          id: 'envoy.rejected',
          severity: 'warning' as const,
          what: `Envoy has rejected a secret: ${name} is not 0.`,
          why: 'It may go on with old content.',
          fix: 'spiffe-sds status tells the reason.',
          explainedBy: ['envoy.too_old'],
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
    ...(connected.length > 0 && connected.every((state) => state === 0)
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
