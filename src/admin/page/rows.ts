/** The rows of the tables: what is shown of each thing. */
import type { BundleStatus, IdentityStatus, NameStatus, Status, TokenStatus, WorkloadStatus } from '../status.ts';
import type { HeldName, SubscribedName, SubscriberStatus } from '../subscribers.ts';
import { type Child, element, mono, type State, stateMark } from './element.ts';
import type { Row } from './table.ts';
import { ago, relative, sidecarTime, timeBar } from './time.ts';
import { subscriberState, workloadState } from './way.ts';

/** Those that are in a bad state stand first. */
export interface RankedRow extends Row {
  readonly rank: number;
}

const WORST_FIRST: readonly State[] = ['bad', 'warn', 'idle', 'ok'];
/** An Envoy with more names than this shows them when it is asked. */
const OPEN_NAMES = 3;

const UPSTREAM: Readonly<Record<Status['history']['upstream'][number]['what'], readonly [State, string]>> = {
  connected: ['ok', 'connected'],
  received: ['ok', 'identity received'],
  rotated: ['ok', 'rotated'],
  bundle: ['ok', 'bundle updated'],
  withdrawn: ['warn', 'withdrawn'],
  discarded: ['bad', 'discarded'],
  expired: ['bad', 'expired'],
  lost: ['warn', 'lost'],
  denied: ['bad', 'denied'],
};

export function identityRow(identity: IdentityStatus): Row {
  const { id, hint, serial, state, not_after, received_at, last_failure, names } = identity;
  const { expires_in: _, ...lasting } = identity;
  return {
    key: id,
    shows: JSON.stringify(lasting),
    cells: () => [
      lines(mono(id), hint === '' ? undefined : element('span', { class: 'quiet' }, 'hint ', mono(hint))),
      lines(
        stateMark(
          state === 'expired' ? 'bad' : last_failure === undefined ? 'ok' : 'warn',
          state === 'expired' ? 'expired' : 'valid',
        ),
        last_failure === undefined ? undefined : element('span', {}, 'rotation failed ', ago(last_failure)),
      ),
      element('div', {}, relative(not_after), timeBar(received_at, not_after)),
      mono(serial),
      ago(received_at),
      lines(...names.filter((name) => name !== id).map(mono)),
    ],
  };
}

export function envoyRow(subscriber: SubscriberStatus): RankedRow {
  const { stream, node, method, peer, names, names_left_out, opened_at, last_ack, last_nack } = subscriber;
  const { state, word } = subscriberState(subscriber);
  const who = peer.uid === undefined ? `connection ${peer.connection}` : `uid ${peer.uid}, gid ${peer.gid}, pid ${peer.pid}`;
  return {
    key: String(stream),
    rank: WORST_FIRST.indexOf(state),
    shows: JSON.stringify(subscriber),
    cells: () => [
      lines(mono(node || 'no node.id'), element('span', { class: 'quiet' }, `${method}, stream ${stream}, ${who}`)),
      stateMark(state, word),
      subscribedNames(names, names_left_out ?? 0),
      ago(opened_at),
      ago(last_ack),
      lines(ago(last_nack?.at), last_nack?.reason),
    ],
  };
}

function subscribedNames(names: readonly SubscribedName[], leftOut: number): HTMLElement {
  const items = names.map((name) => element('li', {}, mono(name.name), ' ', versionOf(name)));
  const list = element('ul', { class: 'list' }, ...items, leftOut > 0 ? element('li', {}, `and ${leftOut} more`) : undefined);
  if (names.length <= OPEN_NAMES) return list;
  return element('details', {}, element('summary', {}, `${names.length + leftOut} names`), list);
}

function versionOf({ sent, in_use, rejected, held }: SubscribedName): Child {
  if (held) return stateMark('warn', 'held');
  if (rejected !== undefined)
    return element('span', {}, stateMark('bad', 'rejected'), ' ', mono(rejected), ', has ', mono(in_use ?? 'none'));
  if (sent === undefined) return stateMark('idle', 'not sent yet');
  return sent === in_use ? mono(sent) : element('span', {}, mono(sent), ' ', stateMark('warn', 'not accepted yet'));
}

/** In node mode: a process that has secrets of its own. */
export function workloadRow(workload: WorkloadStatus): RankedRow {
  const { pid, uid, since, broker, identities, trust_domains } = workload;
  const { state, word } = workloadState(workload);
  const lasting = identities.map(({ expires_in: _, ...identity }) => identity);
  return {
    key: `${pid} ${since}`,
    rank: WORST_FIRST.indexOf(state),
    shows: JSON.stringify([uid, word, broker, lasting, trust_domains]),
    cells: () => [
      lines(`pid ${pid}`, element('span', { class: 'quiet' }, `uid ${uid}`)),
      stateMark(state, word),
      lines(...identities.map(({ id }) => mono(id))),
      lines(...identities.map(({ not_after }) => relative(not_after))),
      lines(...trust_domains.map(mono)),
      lines(
        element('span', {}, `${broker.state} `, relative(broker.since)),
        broker.meaning === undefined ? undefined : element('span', { class: 'quiet' }, broker.meaning),
      ),
      ago(since),
    ],
  };
}

export function heldRow({ name, streams, nearest }: HeldName): Row {
  return {
    key: name,
    shows: JSON.stringify([streams, nearest]),
    cells: () => [
      mono(name),
      `${streams} ${streams === 1 ? 'stream' : 'streams'}`,
      nearest === undefined ? 'no name is near' : mono(nearest),
    ],
  };
}

export function nackRow({ at, node, names, kind, reason }: Status['history']['nacks'][number], place: number): Row {
  return {
    key: `${at} ${node} ${names.join(' ')} ${place}`,
    shows: reason,
    cells: () => [ago(at), mono(node || 'no node.id'), lines(...names.map(mono)), kind.replaceAll('_', ' '), mono(reason)],
  };
}

export function bundleRow(bundle: BundleStatus): Row {
  const { trust_domain, authorities, not_after, updated_at, distrusted } = bundle;
  const isOver = not_after !== undefined && Date.parse(not_after) <= sidecarTime();
  const [state, word]: [State, string] = distrusted ? ['bad', 'distrusted'] : isOver ? ['bad', 'expired'] : ['ok', 'trusted'];
  return {
    key: trust_domain,
    shows: JSON.stringify([bundle, word]),
    cells: () => [
      mono(trust_domain),
      stateMark(state, word),
      String(authorities),
      not_after === undefined ? '–' : relative(not_after),
      ago(updated_at),
    ],
  };
}

export function tokenRow({ id, audience, not_after, received_at }: TokenStatus): Row {
  return {
    key: JSON.stringify([id, audience]),
    shows: not_after,
    cells: () => [
      mono(id),
      mono(audience.join(', ')),
      element('div', {}, relative(not_after), timeBar(received_at, not_after)),
      ago(received_at),
    ],
  };
}

export function historyRow({ at, what, text, times, until }: Status['history']['upstream'][number]): Row {
  const [state, word] = UPSTREAM[what];
  return {
    key: `${at} ${what} ${text}`,
    shows: String(until),
    cells: () => [
      ago(at),
      stateMark(state, word),
      lines(
        mono(text),
        times === undefined ? undefined : element('span', { class: 'quiet' }, `${times} times, last `, ago(until)),
      ),
    ],
  };
}

export function nameRow({ name, kind, versions }: NameStatus): Row {
  return {
    key: name,
    shows: JSON.stringify([kind, versions]),
    cells: () => [mono(name), kind.replaceAll('_', ' '), versions.length === 0 ? 'nobody asked' : lines(...versions.map(mono))],
  };
}

export function valueRow([path, { value, source }]: [string, Status['configuration']['values'][string]]): Row {
  const shown = typeof value === 'string' ? value || '""' : (JSON.stringify(value) ?? '');
  return { key: path, shows: `${shown} ${source}`, cells: () => [mono(path), mono(shown), mono(source)] };
}

function lines(...parts: readonly Child[]): HTMLElement {
  const shown = parts.filter((part) => part !== undefined);
  return element('div', {}, ...(shown.length === 0 ? ['–'] : shown.map((part) => element('div', {}, part))));
}
