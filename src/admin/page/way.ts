/** The way of an identity as a picture: Workload API, identities, names, Envoys, each with its state, and arrows between them. */
import type { Status, WorkloadStatus } from '../status.ts';
import type { SubscriberStatus } from '../subscribers.ts';
import { type Child, element, mono, type State, stateMark, svg } from './element.ts';
import { ago, relative } from './time.ts';

interface Station {
  readonly title: string;
  /** The section that tells more. */
  readonly section: string;
  readonly state: State;
  readonly word: string;
  readonly lines: readonly (readonly Child[])[];
}

const UPSTREAM: Readonly<Record<Status['upstream']['state'], State>> = {
  connecting: 'warn',
  connected: 'ok',
  lost: 'warn',
  denied: 'bad',
};

/** Of one Envoy's stream. */
export function subscriberState({ names, unanswered }: SubscriberStatus): { readonly state: State; readonly word: string } {
  if (names.some(({ rejected }) => rejected !== undefined)) return { state: 'bad', word: 'rejects' };
  if (names.some(({ held }) => held)) return { state: 'warn', word: 'waits' };
  if (unanswered > 0) return { state: 'idle', word: `${unanswered} not answered yet` };
  return { state: 'ok', word: 'up to date' };
}

/** Of one process, in node mode. */
export function workloadState({ identities, broker }: WorkloadStatus): { readonly state: State; readonly word: string } {
  if (identities.some(({ expires_in }) => expires_in <= 0)) return { state: 'bad', word: 'expired' };
  if (identities.length > 0)
    return broker.state === 'lost' ? { state: 'warn', word: 'without the broker' } : { state: 'ok', word: 'valid' };
  return broker.state === 'connecting' ? { state: 'idle', word: 'asking' } : { state: 'warn', word: 'without an identity' };
}

export function wayOf(status: Status): readonly HTMLElement[] {
  const stations = [upstreamStation(status), identityStation(status), nameStation(status), envoyStation(status)];
  return stations.map(({ title, section, state, word, lines }, place) => {
    const next = stations[place + 1];
    return element(
      'li',
      { 'data-state': state },
      element('h3', {}, element('a', { href: `#${section}` }, title)),
      element('p', {}, stateMark(state, word)),
      ...lines.map((line) => element('p', {}, ...line)),
      next && arrow(worse(state, next.state === 'idle' ? 'idle' : 'ok')),
    );
  });
}

/** Of several Workload APIs the one that is worst. */
function upstreamStation({ upstream, upstreams = [upstream] }: Status): Station {
  const { state, since, address, last_message, meaning } = upstream;
  return {
    title: 'Workload API',
    section: 'history',
    state: upstream.discarded !== undefined && state === 'connected' ? 'warn' : UPSTREAM[state],
    word: state,
    lines: [
      ['began ', relative(since)],
      ['last message ', ago(last_message)],
      [mono(address ?? 'no address'), ...(upstreams.length === 1 ? [] : [`, one of ${upstreams.length}`])],
      ...(meaning === undefined ? [] : [[meaning]]),
    ],
  };
}

/** In node mode each process has identities of its own. */
function workloadStation(workloads: readonly WorkloadStatus[]): Station {
  const identities = workloads.flatMap((workload) => workload.identities);
  const next = identities.toSorted((a, b) => a.expires_in - b.expires_in)[0];
  const states = workloads.map(workloadState);
  const worst = ORDER.toReversed().find((one) => states.some(({ state }) => state === one));
  const those = states.filter(({ state }) => state === worst);
  const word = worst === undefined ? 'nobody asks' : worst === 'ok' ? 'valid' : `${those.length} ${those[0]?.word}`;
  return {
    title: 'Identities',
    section: 'workloads',
    state: worst ?? 'idle',
    word,
    lines: [
      [`${count(workloads.length, 'process')}, ${count(identities.length, 'X509-SVID')}`],
      ...(next === undefined ? [] : [[next.expires_in > 0 ? 'next end ' : 'ended ', relative(next.not_after)]]),
    ],
  };
}

function identityStation({ identities, bundles, workloads }: Status): Station {
  if (workloads !== undefined) return workloadStation(workloads);
  const expired = identities.filter(({ state }) => state === 'expired');
  const next = identities.toSorted((a, b) => a.expires_in - b.expires_in)[0];
  const [state, word]: [State, string] =
    identities.length === 0 ? ['bad', 'none'] : expired.length > 0 ? ['bad', `${expired.length} expired`] : ['ok', 'valid'];
  return {
    title: 'Identities',
    section: 'identities',
    state,
    word,
    lines: [
      [`${count(identities.length, 'X509-SVID')}, ${count(bundles.length, 'bundle')}`],
      ...(next === undefined ? [] : [[next.expires_in > 0 ? 'next end ' : 'ended ', relative(next.not_after)]]),
    ],
  };
}

function nameStation({ names, held, workloads }: Status): Station {
  const [state, word]: [State, string] =
    held.length > 0
      ? ['warn', `${held.length} held`]
      : workloads !== undefined
        ? workloads.length === 0
          ? ['idle', 'none']
          : ['ok', 'served']
        : names.length === 0
          ? ['bad', 'none']
          : ['ok', 'served'];
  return {
    title: 'Names',
    section: held.length > 0 ? 'held' : workloads === undefined ? 'names' : 'workloads',
    state,
    word,
    lines: [
      workloads === undefined ? [count(names.length, 'name'), ' served'] : ['each process has its own'],
      ...held
        .slice(0, 2)
        .map(({ name, nearest }) => [mono(name), ' held', ...(nearest === undefined ? [] : ['; ', mono(nearest), '?'])]),
    ],
  };
}

function envoyStation({ subscribers, subscribers_total: total, counts }: Status): Station {
  const states = subscribers.map((subscriber) => subscriberState(subscriber).state);
  const [rejecting, waiting] = (['bad', 'warn'] as const).map((state) => states.filter((one) => one === state).length);
  const [state, word]: [State, string] =
    total === 0
      ? ['idle', 'nobody asks']
      : (rejecting ?? 0) > 0
        ? ['bad', `${rejecting} ${rejecting === 1 ? 'rejects' : 'reject'}`]
        : (waiting ?? 0) > 0
          ? ['warn', `${waiting} ${waiting === 1 ? 'waits' : 'wait'}`]
          : ['ok', 'up to date'];
  return {
    title: 'Envoys',
    section: 'envoys',
    state,
    word,
    lines: [
      [`${count(counts.connections, 'connection')}, ${count(total, 'stream')}`],
      [count(counts.subscriptions, 'subscription')],
    ],
  };
}

function arrow(state: State): SVGElement {
  return svg(
    'svg',
    { class: 'arrow', viewBox: '0 0 36 24', 'aria-hidden': 'true', 'data-state': state },
    svg('path', { d: 'M4 12h26m-7-6 7 6-7 6' }),
  );
}

const ORDER: readonly State[] = ['ok', 'idle', 'warn', 'bad'];

function worse(one: State, other: State): State {
  return ORDER.indexOf(one) > ORDER.indexOf(other) ? one : other;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : what.endsWith('s') ? 'es' : 's'}`;
}
