/** The tables of the page: which thing has which row. */
import type { BundleStatus, IdentityStatus, NameStatus, Status, TokenStatus } from '../status.ts';
import type { HeldName, SubscribedName, SubscriberStatus } from '../subscribers.ts';
import { type Child, element, mono, type State, stateMark } from './element.ts';
import { type Row, TableSection } from './table.ts';
import { ago, relative, sidecarTime, timeBar } from './time.ts';
import { subscriberState } from './way.ts';

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

export class Sections {
  readonly #identities = new TableSection(
    'identities',
    'Identities',
    ['SPIFFE ID', 'State', 'Ends', 'Serial', 'Received', 'Served as'],
    'There is no identity: what is the matter stands above.',
  );
  readonly #envoys = new TableSection(
    'envoys',
    'Envoys',
    ['Envoy', 'State', 'Names and versions', 'Opened', 'Last ACK', 'Last NACK'],
    'Nobody has subscribed. Envoy asks at the SDS socket that stands above.',
  );
  readonly #held = new TableSection(
    'held',
    'Held names',
    ['Name', 'Waiting', 'Meant, perhaps'],
    'Every name that is asked for is served.',
  );
  readonly #nacks = new TableSection(
    'nacks',
    'Last NACKs',
    ['When', 'Envoy', 'Names', 'Kind', 'What Envoy says'],
    'No Envoy has rejected anything.',
  );
  readonly #bundles = new TableSection(
    'bundles',
    'Trust bundles',
    ['Trust domain', 'State', 'Authorities', 'Ends', 'Updated'],
    'There is no bundle.',
  );
  readonly #tokens = new TableSection('tokens', 'Tokens', ['SPIFFE ID', 'Audience', 'Ends', 'Received'], 'No token is served.');
  readonly #history = new TableSection(
    'history',
    'History of the Workload API',
    ['When', 'What', 'Of'],
    'It has said nothing yet.',
  );
  readonly #names = new TableSection('names', 'Names', ['Name', 'Kind', 'Versions asked for'], 'No name is served.');
  readonly #values = new TableSection('configuration', 'Configuration', ['Setting', 'Value', 'From'], 'There is none.');

  /** In the order of the page. */
  readonly #all = [
    this.#identities,
    this.#envoys,
    this.#held,
    this.#nacks,
    this.#bundles,
    this.#tokens,
    this.#history,
    this.#names,
    this.#values,
  ];

  get elements(): readonly HTMLElement[] {
    return this.#all.map(({ section }) => section);
  }

  show(status: Status): void {
    const { history, configuration } = status;
    this.#identities.show(status.identities.toSorted((a, b) => a.expires_in - b.expires_in).map(identityRow));
    this.#envoys.show(status.subscribers.map(envoyRow).toSorted((a, b) => a.rank - b.rank));
    this.#held.show(status.held.map(heldRow));
    this.#nacks.show(history.nacks.map((nack, place) => nackRow(nack, place)));
    this.#bundles.show(status.bundles.map(bundleRow));
    this.#tokens.show(status.tokens.map(tokenRow));
    this.#history.show(history.upstream.map(historyRow));
    this.#names.show(status.names.map(nameRow));
    this.#values.show(Object.entries(configuration.values).map(valueRow), true);
    this.#tokens.section.hidden = status.tokens.length === 0;
  }

  /** @param id of a section */
  open(id: string): void {
    this.#all.find(({ section }) => section.id === id)?.open();
  }

  /** Hides the rows that do not have this text in them. */
  filter(text: string): { readonly shown: number; readonly of: number } {
    const counts = this.#all.map((section) => section.filter(text.toLowerCase()));
    return { shown: counts.reduce((sum, { shown }) => sum + shown, 0), of: counts.reduce((sum, { of }) => sum + of, 0) };
  }
}

function identityRow(identity: IdentityStatus): Row {
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

function envoyRow(subscriber: SubscriberStatus): Row & { readonly rank: number } {
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

function heldRow({ name, streams, nearest }: HeldName): Row {
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

function nackRow({ at, node, names, kind, reason }: Status['history']['nacks'][number], place: number): Row {
  return {
    key: `${at} ${node} ${names.join(' ')} ${place}`,
    shows: reason,
    cells: () => [ago(at), mono(node || 'no node.id'), lines(...names.map(mono)), kind.replaceAll('_', ' '), mono(reason)],
  };
}

function bundleRow(bundle: BundleStatus): Row {
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

function tokenRow({ id, audience, not_after, received_at }: TokenStatus): Row {
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

function historyRow({ at, what, text, times, until }: Status['history']['upstream'][number]): Row {
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

function nameRow({ name, kind, versions }: NameStatus): Row {
  return {
    key: name,
    shows: JSON.stringify([kind, versions]),
    cells: () => [mono(name), kind.replaceAll('_', ' '), versions.length === 0 ? 'nobody asked' : lines(...versions.map(mono))],
  };
}

function valueRow([path, { value, source }]: [string, Status['configuration']['values'][string]]): Row {
  const shown = typeof value === 'string' ? value || '""' : (JSON.stringify(value) ?? '');
  return { key: path, shows: `${shown} ${source}`, cells: () => [mono(path), mono(shown), mono(source)] };
}

function lines(...parts: readonly Child[]): HTMLElement {
  const shown = parts.filter((part) => part !== undefined);
  return element('div', {}, ...(shown.length === 0 ? ['–'] : shown.map((part) => element('div', {}, part))));
}
