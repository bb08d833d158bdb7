/** A status as text for people: what matters most first, a table for each kind of thing. */

import { stripVTControlCharacters } from 'node:util';
import type {
  BundleStatus,
  IdentityStatus,
  NameStatus,
  Status,
  TokenStatus,
  UpstreamStatus,
  WorkloadStatus,
} from '../admin/status.ts';
import type { SubscribedName, SubscriberStatus } from '../admin/subscribers.ts';
import { formatDuration } from '../config/values/duration.ts';

/** What a word is about. Where there is no colour, the word says all. */
export type Tone = 'good' | 'bad' | 'warning' | 'heading';
export type Paint = (text: string, tone: Tone) => string;

/**
 * @param status without characters that a terminal would heed
 * @param paint default: no colour
 */
export function statusText(status: Status, paint: Paint = (text) => text): string {
  const now = Date.parse(status.started_at) + status.uptime * 1000;
  const told: Told = {
    now,
    paint,
    ago: (at) => (at === undefined ? 'never' : `${span(now - Date.parse(at))} ago`),
  };
  const table = (title: string, columns: readonly string[], rows: readonly Row[]) => tableText(paint, title, columns, rows);
  const sections = [
    head(status, told),
    table('Identities', ['SPIFFE ID', 'hint', 'expires in', 'received', 'served as'], identityRows(status.identities, told)),
    table(
      'Bundles',
      ['trust domain', 'authorities', 'expires in'],
      status.bundles.map((bundle) => bundleRow(bundle, told)),
    ),
    table(
      'Tokens',
      ['SPIFFE ID', 'audience', 'expires in', 'received'],
      status.tokens.map((token) => tokenRow(token, told)),
    ),
    table(
      'Workloads',
      ['uid', 'pid', 'SPIFFE IDs', 'expires in', 'the broker', 'since'],
      (status.workloads ?? []).map((workload) => workloadRow(workload, told)),
    ),
    table('Names', ['name', 'kind', 'versions that were asked for'], status.names.map(nameRow)),
    table(
      subscribersTitle(status),
      SUBSCRIBER_COLUMNS,
      status.subscribers.map((subscriber) => subscriberRow(subscriber, told)),
    ),
    table(
      'Held: nothing to send for',
      ['name', 'streams', 'meant, perhaps'],
      status.held.map(({ name, streams, nearest }) => [paint(name, 'warning'), String(streams), nearest ?? '-']),
    ),
  ];
  return sections.filter((section) => section !== '').join('\n');
}

/** How things are said. */
interface Told {
  /** When the status was made: milliseconds since the epoch, by the sidecar's clock. */
  readonly now: number;
  /** @param at RFC 3339; undefined: never */
  readonly ago: (at: string | undefined) => string;
  readonly paint: Paint;
}

/** The first line is the row; what else there is to say stands below it. */
type Row = readonly string[] | { readonly cells: readonly string[]; readonly below: readonly string[] };

const HELD_IN_FIRST_LINE = 3;

/** The names that wait, and as many of them as a line has room for. */
function heldWords(held: Status['held']): string {
  const names = held.slice(0, HELD_IN_FIRST_LINE).map(({ name }) => name);
  const more = held.length > names.length ? ', …' : '';
  return `${held.length} ${held.length === 1 ? 'name' : 'names'} held: ${names.join(', ')}${more}`;
}

const SIDE = { telemetry: 'telemetry', audit: 'audit log' } as const;

function head(status: Status, told: Told): string {
  const { version, uptime, ready, checks, sds, configuration, upstream, upstreams, conflicts = [], held, problems } = status;
  const { now, ago, paint } = told;
  const { digest, file, last_reload: reload } = configuration;
  // Of the Workload API there is more to say below.
  const failed = checks.filter(({ name, ok }) => !ok && name !== 'upstream');
  const lines = [
    `spiffe-sds ${version} on ${sds.address}, ${ready ? paint('ready', 'good') : paint('not ready', 'bad')}, up ${span(uptime * 1000)}${held.length === 0 ? '' : `, ${paint(heldWords(held), 'warning')}`}`,
    ...failed.map(({ name, reason }) => `  ${paint(name, 'bad')}: ${withSpans(reason, now)}`),
    `  configuration  ${file ?? 'no file'}, ${digest.slice(0, 'sha256:'.length + 12)}`,
    ...(reload?.problem === undefined
      ? []
      : [`    ${paint('not used', 'bad')}: the file of ${ago(reload.at)}: ${reload.problem}`]),
    ...(reload === undefined || reload.need_restart.length === 0
      ? []
      : [`    in force after a restart: ${reload.need_restart.join(', ')}`]),
    ...(upstreams ?? [upstream]).flatMap((one) => upstreamLines(one, told)),
    ...conflicts.map(
      ({ of, name, used, left }) =>
        `  ${paint('conflict', 'warning')}       ${of === 'svid' ? name : `the bundle of ${name}`}: that of ${used} is used, that of ${left} is not`,
    ),
    ...problems.map(
      ({ of, since, at, reason }) =>
        `  ${SIDE[of].padEnd(13)}  ${paint('trouble', 'warning')} since ${ago(since)}, last ${ago(at)}; secrets are served all the same: ${reason}`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

const UPSTREAM: Readonly<Record<Status['upstream']['state'], Tone>> = {
  connecting: 'warning',
  connected: 'good',
  lost: 'warning',
  denied: 'bad',
};

function upstreamLines(upstream: UpstreamStatus, { ago, paint }: Told): readonly string[] {
  const { address = 'unknown', state, since, last_message, meaning, code, details, failures, discarded, leaving } = upstream;
  return [
    `  Workload API   ${address}, ${paint(state, UPSTREAM[state])} ${ago(since)}, last message ${ago(last_message)}${leaving === true ? ', not configured any more' : ''}`,
    ...(meaning === undefined ? [] : [`    ${meaning} (${code}: ${details}), ${failures} times in vain`]),
    ...(discarded === undefined
      ? []
      : [`    its message of ${ago(discarded.at)} was ${paint('discarded', 'bad')}: ${discarded.reason}`]),
  ];
}

function identityRows(identities: readonly IdentityStatus[], told: Told): readonly Row[] {
  return identities.map(({ id, hint, expires_in, received_at, last_failure, warning, names }) => ({
    cells: [
      id,
      hint || '-',
      leftOf(expires_in * 1000, told),
      told.ago(received_at),
      names.filter((name) => name !== id).join(', ') || '-',
    ],
    below: [
      ...(last_failure === undefined ? [] : [`its ${told.paint('rotation failed', 'warning')} ${told.ago(last_failure)}`]),
      ...(warning === undefined ? [] : [told.paint(warning, 'warning')]),
    ],
  }));
}

function bundleRow({ trust_domain, authorities, not_after, distrusted }: BundleStatus, told: Told): Row {
  const left = not_after === undefined ? undefined : Date.parse(not_after) - told.now;
  return [
    trust_domain,
    distrusted ? told.paint('distrusted: nobody is accepted', 'bad') : String(authorities),
    left === undefined ? '-' : leftOf(left, told),
  ];
}

/** @param ms negative: since then */
function leftOf(ms: number, { paint }: Told): string {
  return ms <= 0 ? paint(`expired ${span(-ms)} ago`, 'bad') : span(ms);
}

function tokenRow({ id, audience, expires_in, received_at }: TokenStatus, told: Told): Row {
  return [id, audience.join(', '), leftOf(expires_in * 1000, told), told.ago(received_at)];
}

function workloadRow({ uid, pid, identities, broker, since }: WorkloadStatus, told: Told): Row {
  const { paint } = told;
  const ids = identities.map(({ id }) => id).join(', ') || paint('none', 'warning');
  const first = identities.length === 0 ? undefined : Math.min(...identities.map(({ expires_in }) => expires_in));
  const left = first === undefined ? '-' : leftOf(first * 1000, told);
  const cells = [String(uid), String(pid), ids, left, paint(broker.state, UPSTREAM[broker.state]), told.ago(since)];
  return { cells, below: broker.meaning === undefined ? [] : [`${broker.meaning} (${broker.code}: ${broker.details})`] };
}

function nameRow({ name, kind, versions }: NameStatus): Row {
  return [name, kind, versions.join(', ') || '-'];
}

const SUBSCRIBER_COLUMNS = ['stream', 'node', 'method', 'peer', 'opened', 'last ACK', 'last NACK'];

function subscribersTitle({ subscribers, subscribers_total: total }: Status): string {
  return `Subscribers: ${total}${total > subscribers.length ? `, the first ${subscribers.length} of them` : ''}`;
}

function subscriberRow(subscriber: SubscriberStatus, { ago, paint }: Told): Row {
  const { stream, node, method, peer, rule, opened_at, names, names_left_out, unanswered, last_ack, last_nack } = subscriber;
  const who = peer.pid === undefined ? `connection ${peer.connection}` : `uid ${peer.uid}, gid ${peer.gid}, pid ${peer.pid}`;
  return {
    cells: [String(stream), node || '-', method, who, ago(opened_at), ago(last_ack), ago(last_nack?.at)],
    below: [
      ...(rule === undefined ? [] : [`may have what ${rule === 'none' ? 'no rule' : rule} gives`]),
      ...names.map((name) => nameLine(name, paint)),
      ...(names_left_out === undefined ? [] : [`and ${names_left_out} more names`]),
      ...(unanswered === 0 ? [] : [`${unanswered} responses are not answered`]),
      ...(last_nack === undefined ? [] : [`rejected ${last_nack.names.join(', ')}: ${last_nack.reason}`]),
    ],
  };
}

function nameLine({ name, sent, in_use: inUse, rejected, held }: SubscribedName, paint: Paint): string {
  if (held) return `${name}: ${paint('held', 'warning')}${inUse === undefined ? '' : `, has ${inUse}`}`;
  if (rejected !== undefined) return `${name}: ${paint('rejected', 'bad')} ${rejected}, has ${inUse ?? 'none'}`;
  return `${name}: ${sent ?? 'nothing sent yet'}${sent === inUse ? '' : ', not accepted yet'}`;
}

/** @returns nothing when there are no rows */
function tableText(paint: Paint, title: string, columns: readonly string[], rows: readonly Row[]): string {
  if (rows.length === 0) return '';
  const parts = [columns, ...rows].map((row) => ('cells' in row ? row : { cells: row, below: [] }));
  const widths = columns.map((_, column) => Math.max(...parts.map(({ cells }) => lengthOf(cells[column] ?? ''))));
  const lines = parts.flatMap(({ cells, below }) => [
    cells
      .map((cell, column) => cell + ' '.repeat((widths[column] ?? 0) - lengthOf(cell)))
      .join('  ')
      .trimEnd(),
    ...below.map((line) => `  ${line}`),
  ]);
  return `${paint(title, 'heading')}\n${lines.map((line) => `  ${line}\n`).join('')}`;
}

/** Without colours, which take no room. */
function lengthOf(cell: string): number {
  return stripVTControlCharacters(cell).length;
}

const TIME = /(at |since |before )?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)/g;

/** The times in a sentence as people read them. */
function withSpans(text: string, now: number): string {
  return text.replace(TIME, (_, word: string | undefined, at: string) => {
    const ms = Date.parse(at) - now;
    const when = ms > 0 ? `in ${span(ms)}` : `${span(-ms)} ago`;
    if (word === 'before ' && ms > 0) return `for the next ${span(ms)}`;
    return word === undefined || word === 'at ' ? when : `${word}${when}`;
  });
}

/** The two largest units. */
function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return /^(?:\d+[a-z]+){1,2}/.exec(formatDuration(seconds * 1000))?.[0] ?? '0s';
}
