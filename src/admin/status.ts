/** What /v1/status says: the state of the running sidecar as JSON. It is made from values that hold no key. */
import { isoTime } from '../clock.ts';
import type { LoadedConfiguration } from '../config/load.ts';
import type { Configuration } from '../config/schema/schema.ts';
import { addressesOf } from '../config/schema/workload-api-schema.ts';
import { nearest } from '../config/values/nearest.ts';
import { type Endpoint, formatEndpoint } from '../endpoint.ts';
import type { Conflict } from '../events.ts';
import type { NameDescription } from '../secrets/secret-set.ts';
import type { SidecarCounts } from '../state/counts.ts';
import type { Observed, ObservedIdentity } from '../state/observed.ts';
import { allPassed, type Check, readyz } from '../state/readiness.ts';
import type { ObservedUpstream, Upstream } from '../state/upstreams.ts';
import { version } from '../version.ts';
import { type ConfigurationValue, shownValues } from './configuration-values.ts';
import { type HistoryStatus, historyStatus } from './history-status.ts';
import type { HeldName, SubscriberStatus, Subscribers } from './subscribers.ts';

const MAX_WORKLOADS = 1000;

export interface StatusInputs {
  readonly observed: Observed;
  /** Where SDS is served. */
  readonly listen: Endpoint;
  /** The configuration in force, and its file. */
  readonly loaded: LoadedConfiguration;
  readonly names: ReadonlyMap<string, NameDescription>;
  readonly counts: SidecarCounts;
  readonly subscribers: Subscribers;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** Times are RFC 3339 in UTC, durations seconds. What is not known is absent. */
export interface Status {
  readonly version: string;
  readonly started_at: string;
  readonly uptime: number;
  readonly ready: boolean;
  readonly checks: readonly Check[];
  /** Whose status this is. */
  readonly sds: { readonly address: string };
  /** Whom the Workload API attests. */
  readonly process: { readonly pid: number; readonly uid: number; readonly gid: number };
  /** SVIDs whose time has not come, while nothing is served in their place. */
  readonly waiting: readonly { readonly id: string; readonly from: string }[];
  /** What does not work beside the way of the secrets, which goes on: since when, and the last time that it was told. */
  readonly problems: readonly {
    readonly of: 'telemetry' | 'audit';
    readonly since: string;
    readonly at: string;
    readonly reason: string;
  }[];
  readonly configuration: {
    readonly digest: string;
    readonly file?: string;
    /** By path, as `sds.listen`. */
    readonly values: Readonly<Record<string, ConfigurationValue>>;
    readonly last_reload?: { readonly at: string; readonly problem?: string; readonly need_restart: readonly string[] };
  };
  /** The Workload API; of several the one that is worst. */
  readonly upstream: UpstreamStatus;
  /** Where there are several Workload APIs: each, in the order of the configuration. */
  readonly upstreams?: readonly UpstreamStatus[];
  /** What two Workload APIs give, and give differently: the one of `used` is served. */
  readonly conflicts?: readonly Conflict[];
  readonly identities: readonly IdentityStatus[];
  readonly bundles: readonly BundleStatus[];
  readonly tokens: readonly TokenStatus[];
  readonly names: readonly NameStatus[];
  readonly subscribers: readonly SubscriberStatus[];
  /** How many there are that were asked for; no more than 1000 are shown. */
  readonly subscribers_total: number;
  readonly held: readonly HeldName[];
  readonly counts: SidecarCounts;
  readonly history: HistoryStatus;
  /** In node mode: the processes that have secrets of their own; no more than 1000 are shown. */
  readonly workloads?: readonly WorkloadStatus[];
}

export interface WorkloadStatus {
  readonly pid: number;
  readonly uid: number;
  readonly since: string;
  /** What the broker says of it. */
  readonly broker: UpstreamStatus;
  readonly identities: readonly {
    readonly id: string;
    readonly serial: string;
    readonly not_after: string;
    readonly expires_in: number;
  }[];
  readonly trust_domains: readonly string[];
}

export interface UpstreamStatus {
  readonly address?: string;
  readonly state: Upstream['state'];
  readonly since: string;
  readonly last_message?: string;
  readonly failures?: number;
  readonly code?: string;
  readonly details?: string;
  readonly meaning?: string;
  readonly retried?: boolean;
  /** The last message, if it could not be used. */
  readonly discarded?: { readonly at: string; readonly code: string; readonly reason: string };
  /** It is not configured any more, and asked until the new ones have answered. */
  readonly leaving?: true;
}

export interface IdentityStatus {
  readonly id: string;
  readonly hint: string;
  readonly serial: string;
  readonly state: 'fresh' | 'expired';
  readonly not_after: string;
  /** Negative when it has expired. */
  readonly expires_in: number;
  readonly received_at: string;
  readonly last_failure?: string;
  readonly warning?: string;
  /** Those that it is served by. */
  readonly names: readonly string[];
}

export interface BundleStatus {
  readonly trust_domain: string;
  readonly authorities: number;
  readonly not_after?: string;
  readonly updated_at?: string;
  /** Envoys get a context that accepts none of its peers. */
  readonly distrusted: boolean;
}

export interface TokenStatus {
  readonly id: string;
  readonly audience: readonly string[];
  readonly not_after: string;
  readonly expires_in: number;
  readonly received_at: string;
}

export interface NameStatus {
  readonly name: string;
  readonly kind: NameDescription['kind'];
  /** Empty when nobody asked for it; several when a validation context is served in several forms. */
  readonly versions: readonly string[];
}

export function statusOf({ observed, listen, loaded, names, counts, subscribers, now }: StatusInputs): Status {
  const checks = readyz(observed, now);
  const { configuration, file } = loaded;
  return {
    version,
    started_at: isoTime(observed.startedAt),
    uptime: seconds(now - observed.startedAt),
    ready: allPassed(checks),
    checks,
    sds: { address: formatEndpoint(listen) },
    process: { pid: process.pid, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 },
    waiting: [...observed.waiting].map(([id, from]) => ({ id, from: isoTime(from) })),
    problems: observed.sideProblems
      .at(now)
      .map(({ of, since, at, reason }) => ({ of, since: isoTime(since), at: isoTime(at), reason })),
    configuration: {
      ...shownValues(loaded),
      ...(file !== undefined && { file }),
      ...reloadOf(observed),
    },
    ...upstreamStatuses(observed, configuration),
    identities: [...observed.identities.values()].map((identity) => identityStatus(identity, names, now)),
    bundles: bundleStatuses(observed),
    tokens: [...observed.tokens.values()].map(({ id, audience, notAfter, receivedAt }) => ({
      id,
      audience,
      not_after: isoTime(notAfter),
      expires_in: seconds(notAfter - now),
      received_at: isoTime(receivedAt),
    })),
    names: [...names].map(([name, { kind, versions }]) => ({ name, kind, versions })),
    subscribers: subscribers.subscribers,
    subscribers_total: subscribers.total,
    held: withNearest(subscribers.held, [...names.keys()]),
    counts,
    history: historyStatus(observed.history, now),
    ...(configuration.mode === 'node' && { workloads: workloadStatuses(observed, now) }),
  };
}

function workloadStatuses({ workloads }: Observed, now: number): readonly WorkloadStatus[] {
  return [...workloads.values()].slice(0, MAX_WORKLOADS).map(({ workload: { pid, uid }, observed }) => ({
    pid,
    uid,
    since: isoTime(observed.startedAt),
    broker: upstreamStatus(observed.upstreams.worst, undefined),
    identities: [...observed.identities.values()].map(({ id, serial, notAfter }) => ({
      id,
      serial,
      not_after: isoTime(notAfter),
      expires_in: seconds(notAfter - now),
    })),
    trust_domains: [...observed.bundles.keys()],
  }));
}

/** Of those that most wait for: to compare each with every name costs time. */
const MAX_NEAREST = 20;
const MAX_CANDIDATES = 2_000;

function withNearest(held: readonly HeldName[], names: readonly string[]): readonly HeldName[] {
  const candidates = names.slice(0, MAX_CANDIDATES);
  return held.map((waiting, place) => {
    const meant = place < MAX_NEAREST ? nearest(waiting.name, candidates) : undefined;
    return meant === undefined ? waiting : { ...waiting, nearest: meant };
  });
}

function reloadOf({ lastReload }: Observed): Pick<Status['configuration'], 'last_reload'> {
  if (lastReload === undefined) return {};
  const { at, problem, needRestart } = lastReload;
  return { last_reload: { at: isoTime(at), ...(problem !== undefined && { problem }), need_restart: needRestart } };
}

function upstreamStatuses(
  { upstreams }: Observed,
  { workload_api }: Configuration,
): Pick<Status, 'upstream' | 'upstreams' | 'conflicts'> {
  const [configured] = addressesOf(workload_api);
  const { all, worst, conflicts } = upstreams;
  if (all.length === 1) return { upstream: upstreamStatus(worst, worst.address ?? (configured && formatEndpoint(configured))) };
  const statusOf = (one: ObservedUpstream) => upstreamStatus(one, one.address);
  return { upstream: statusOf(worst), upstreams: all.map(statusOf), ...(conflicts.length > 0 && { conflicts }) };
}

function upstreamStatus(
  { upstream, lastMessage, discarded, leaving }: ObservedUpstream,
  address: string | undefined,
): UpstreamStatus {
  const common = {
    ...(address !== undefined && { address }),
    state: upstream.state,
    since: isoTime(upstream.since),
    ...(lastMessage !== undefined && { last_message: isoTime(lastMessage) }),
    ...(discarded && { discarded: { ...discarded, at: isoTime(discarded.at) } }),
    ...(leaving && { leaving }),
  };
  if (upstream.state === 'connecting' || upstream.state === 'connected') return common;
  const { failures, code, details, meaning, final } = upstream;
  return { ...common, failures, code, details, meaning, retried: !final };
}

function identityStatus(
  { id, hint, serial, notAfter, receivedAt, lastFailure, warning }: ObservedIdentity,
  names: StatusInputs['names'],
  now: number,
): IdentityStatus {
  return {
    id,
    hint,
    serial,
    state: notAfter <= now ? 'expired' : 'fresh',
    not_after: isoTime(notAfter),
    expires_in: seconds(notAfter - now),
    received_at: isoTime(receivedAt),
    ...(lastFailure !== undefined && { last_failure: isoTime(lastFailure) }),
    ...(warning !== undefined && { warning }),
    names: [...names].flatMap(([name, secret]) => (secret.id === id ? [name] : [])),
  };
}

function bundleStatuses({ bundles, distrusted }: Observed): readonly BundleStatus[] {
  const trusted = [...bundles.values()].map(({ trustDomain, authorities, notAfter, updatedAt }) => ({
    trust_domain: trustDomain,
    authorities,
    not_after: isoTime(notAfter),
    updated_at: isoTime(updatedAt),
    distrusted: distrusted.has(trustDomain),
  }));
  const gone = [...distrusted].filter((trustDomain) => !bundles.has(trustDomain));
  return [...trusted, ...gone.map((trustDomain) => ({ trust_domain: trustDomain, authorities: 0, distrusted: true }))];
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
