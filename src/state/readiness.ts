/** Whether the sidecar lives, has started, and is ready for traffic: as checks, whose reasons say what is wrong and where to look. */
import { isoTime } from '../clock.ts';
import { trustDomainOf } from '../spiffe/spiffe-id.ts';
import type { Observed } from './observed.ts';
import type { ObservedUpstream, Upstream } from './upstreams.ts';

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** One sentence, also when the check passes. It may contain text of others, not escaped. */
  readonly reason: string;
}

/** @param now milliseconds since the epoch */
export type Probe = (observed: Observed, now: number) => readonly Check[];

/** Passes whenever it can be asked: no problem of the sidecar is fixed by starting it again. */
export const livez: Probe = ({ startedAt }) => [passed('process', `it runs since ${isoTime(startedAt)}`)];

/** Whether the socket was there and the first identity and bundle were served. Once it is passed it stays so. */
export const startupz: Probe = (observed) => [
  socket(observed),
  observed.served
    ? passed('secrets', 'an identity and a bundle have been served')
    : failed('secrets', `no identity and bundle since the start at ${isoTime(observed.startedAt)}: ${upstreamText(observed)}`),
];

/**
 * Whether an Envoy gets an identity that its peers accept. A Workload API that cannot be reached does not make it fail while its SVIDs and
 * bundles are valid; nor does one of several that refuses this workload; nor does an expired bundle of a federated trust domain, which concerns the peers from there only.
 */
export const readyz: Probe = (observed, now) => [
  socket(observed),
  observed.draining
    ? failed('shutdown', 'the sidecar stops: streams are ended, Envoys keep what they have')
    : passed('shutdown', 'the sidecar does not stop'),
  secrets(observed),
  expiry(observed, now),
  upstream(observed),
];

export function allPassed(checks: readonly Check[]): boolean {
  return checks.every(({ ok }) => ok);
}

function socket({ listening, socketLost }: Observed): Check {
  if (listening === undefined) return failed('socket', 'it does not listen yet');
  return socketLost === undefined
    ? passed('socket', `SDS is served on ${listening}`)
    : failed('socket', `nobody can connect to ${listening}: ${socketLost}`);
}

function secrets(observed: Observed): Check {
  const [svids, bundles] = [observed.identities.size, observed.bundles.size];
  const [late] = observed.waiting;
  if (late !== undefined)
    return failed(
      'secrets',
      `${late[0]} is not valid before ${isoTime(late[1])} by this machine's clock, and nothing is served until then: is the clock right?`,
    );
  const missing = [...(svids === 0 ? ['no X509-SVID'] : []), ...(bundles === 0 ? ['no trust bundle'] : [])].join(' and ');
  if (missing === '') return passed('secrets', `X509-SVIDs: ${svids}, trust bundles: ${bundles}`);
  const hint =
    observed.upstream.state === 'connected' ? 'the Workload API has none for this process, check its registration entries: ' : '';
  return failed('secrets', `there is ${missing}${isRefused(observed) ? '' : `: ${hint}${upstreamText(observed)}`}`);
}

/** What the own trust domain's peers check: this workload's SVIDs, and the bundles that those are verified with. */
function expiry({ identities, bundles }: Observed, now: number): Check {
  const own = new Set([...identities.keys()].map(trustDomainOf));
  const svids = [...identities.values()].map(({ id, notAfter }) => ({ what: id as string, notAfter }));
  const ownBundles = [...bundles.values()].filter(({ trustDomain }) => own.has(trustDomain));
  const all = [...svids, ...ownBundles.map(({ trustDomain, notAfter }) => ({ what: `the bundle of ${trustDomain}`, notAfter }))];
  const expired = all.filter(({ notAfter }) => notAfter <= now);
  if (expired.length > 0) {
    const list = expired.map(({ what, notAfter }) => `${what} has expired at ${isoTime(notAfter)}`).join(', ');
    return failed('expiry', `${list}: check the Workload API, it has sent no newer one`);
  }
  const [next] = all.toSorted((a, b) => a.notAfter - b.notAfter);
  return passed(
    'expiry',
    next === undefined ? 'there is nothing that could expire' : `${next.what} is next, at ${isoTime(next.notAfter)}`,
  );
}

function upstream(observed: Observed): Check {
  return (isRefused(observed) ? failed : passed)('upstream', upstreamText(observed));
}

/** Of several: whether all do. */
function isRefused({ upstreams }: Observed): boolean {
  return upstreams.all.every(({ upstream }) => upstream.state === 'denied' || (upstream.state === 'lost' && upstream.final));
}

function upstreamText({ upstreams }: Observed): string {
  const [only, ...others] = upstreams.all;
  if (others.length === 0) return textOf(only);
  return upstreams.all.map((one) => `${one.address}: ${textOf(one)}`).join('; ');
}

function textOf({ upstream, discarded }: ObservedUpstream): string {
  const state = stateText(upstream);
  return discarded === undefined
    ? state
    : `${state}; its message of ${isoTime(discarded.at)} was discarded, and the one before stays in use: ${discarded.reason}`;
}

function stateText(upstream: Upstream): string {
  const since = `since ${isoTime(upstream.since)}`;
  switch (upstream.state) {
    case 'connecting':
      return `the Workload API has not answered yet, asked ${since}`;
    case 'connected':
      return `connected to the Workload API ${since}`;
    case 'lost':
    case 'denied': {
      const { state, meaning, code, details, failures, final } = upstream;
      const next = final
        ? 'it is not tried again: fix that, then restart the sidecar'
        : `it is tried again, ${failures} tries have failed so far`;
      return `${state === 'denied' ? 'refused' : 'lost'} ${since}: ${meaning} (${code}: ${details}); ${next}`;
    }
  }
}

function passed(name: string, reason: string): Check {
  return { name, ok: true, reason };
}

function failed(name: string, reason: string): Check {
  return { name, ok: false, reason };
}
