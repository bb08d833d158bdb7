/** A status as text for people: what matters most first, a table for each kind of thing. */

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
  const ago = (at: string | undefined) => (at === undefined ? 'never' : `${span(now - Date.parse(at))} ago`);
  const table = (title: string, columns: readonly string[], rows: readonly Row[]) => tableText(paint, title, columns, rows);
  const sections = [
    head(status, ago, paint),
    table('Identities', ['SPIFFE ID', 'hint', 'expires in', 'received', 'served as'], identityRows(status.identities, ago)),
    table(
      'Bundles',
      ['trust domain', 'authorities', 'expires in'],
      status.bundles.map((bundle) => bundleRow(bundle, now)),
    ),
    table(
      'Tokens',
      ['SPIFFE ID', 'audience', 'expires in', 'received'],
      status.tokens.map((token) => tokenRow(token, ago)),
    ),
    table(
      'Workloads',
      ['uid', 'pid', 'SPIFFE IDs', 'the broker', 'since'],
      (status.workloads ?? []).map((workload) => workloadRow(workload, ago)),
    ),
    table('Names', ['name', 'kind', 'versions that were asked for'], status.names.map(nameRow)),
    table(
      subscribersTitle(status),
      SUBSCRIBER_COLUMNS,
      status.subscribers.map((subscriber) => subscriberRow(subscriber, ago)),
    ),
    table(
      'Held: nothing to send for',
      ['name', 'streams', 'meant, perhaps'],
      status.held.map(({ name, streams, nearest }) => [name, String(streams), nearest ?? '-']),
    ),
  ];
  return sections.filter((section) => section !== '').join('\n');
}

type Ago = (at: string | undefined) => string;
/** The first line is the row; what else there is to say stands below it. */
type Row = readonly string[] | { readonly cells: readonly string[]; readonly below: readonly string[] };

const HELD_IN_FIRST_LINE = 3;

/** The names that wait, and as many of them as a line has room for. */
function heldWords(held: Status['held']): string {
  const names = held.slice(0, HELD_IN_FIRST_LINE).map(({ name }) => name);
  const more = held.length > names.length ? ', …' : '';
  return `${held.length} ${held.length === 1 ? 'name' : 'names'} held: ${names.join(', ')}${more}`;
}

function head(status: Status, ago: Ago, paint: Paint): string {
  const { version, uptime, ready, checks, sds, configuration, upstream, upstreams, conflicts = [], held } = status;
  const { digest, file, last_reload: reload } = configuration;
  // Of the Workload API there is more to say below.
  const failed = checks.filter(({ name, ok }) => !ok && name !== 'upstream');
  const lines = [
    `spiffe-sds ${version} on ${sds.address}, ${ready ? paint('ready', 'good') : paint('not ready', 'bad')}, up ${span(uptime * 1000)}${held.length === 0 ? '' : `, ${paint(heldWords(held), 'warning')}`}`,
    ...failed.map(({ name, reason }) => `  ${paint(name, 'bad')}: ${reason}`),
    `  configuration  ${file ?? 'no file'}, ${digest.slice(0, 'sha256:'.length + 12)}`,
    ...(reload?.problem === undefined ? [] : [`    the file of ${ago(reload.at)} is not used: ${reload.problem}`]),
    ...(reload === undefined || reload.need_restart.length === 0
      ? []
      : [`    in force after a restart: ${reload.need_restart.join(', ')}`]),
    ...(upstreams ?? [upstream]).flatMap((one) => upstreamLines(one, ago)),
    ...conflicts.map(
      ({ of, name, used, left }) =>
        `  ${paint('conflict', 'warning')}       ${of === 'svid' ? name : `the bundle of ${name}`}: that of ${used} is used, that of ${left} is not`,
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function upstreamLines(upstream: UpstreamStatus, ago: Ago): readonly string[] {
  const { address = 'unknown', state, since, last_message, meaning, code, details, failures, discarded, leaving } = upstream;
  return [
    `  Workload API   ${address}, ${state} ${ago(since)}, last message ${ago(last_message)}${leaving === true ? ', not configured any more' : ''}`,
    ...(meaning === undefined ? [] : [`    ${meaning} (${code}: ${details}), ${failures} times in vain`]),
    ...(discarded === undefined ? [] : [`    its message of ${ago(discarded.at)} was discarded: ${discarded.reason}`]),
  ];
}

function identityRows(identities: readonly IdentityStatus[], ago: Ago): readonly Row[] {
  return identities.map(({ id, hint, expires_in, received_at, last_failure, warning, names }) => ({
    cells: [id, hint || '-', leftOf(expires_in * 1000), ago(received_at), names.filter((name) => name !== id).join(', ') || '-'],
    below: [
      ...(last_failure === undefined ? [] : [`its rotation failed ${ago(last_failure)}`]),
      ...(warning === undefined ? [] : [warning]),
    ],
  }));
}

function bundleRow({ trust_domain, authorities, not_after, distrusted }: BundleStatus, now: number): Row {
  const left = not_after === undefined ? undefined : Date.parse(not_after) - now;
  return [
    trust_domain,
    distrusted ? 'distrusted: nobody is accepted' : String(authorities),
    left === undefined ? '-' : leftOf(left),
  ];
}

/** @param ms negative: since then */
function leftOf(ms: number): string {
  return ms <= 0 ? `expired ${span(-ms)} ago` : span(ms);
}

function tokenRow({ id, audience, expires_in, received_at }: TokenStatus, ago: Ago): Row {
  return [id, audience.join(', '), leftOf(expires_in * 1000), ago(received_at)];
}

function workloadRow({ uid, pid, identities, broker, since }: WorkloadStatus, ago: Ago): Row {
  const ids = identities.map(({ id }) => id).join(', ') || '-';
  const cells = [String(uid), String(pid), ids, broker.state, ago(since)];
  return { cells, below: broker.meaning === undefined ? [] : [`${broker.meaning} (${broker.code}: ${broker.details})`] };
}

function nameRow({ name, kind, versions }: NameStatus): Row {
  return [name, kind, versions.join(', ') || '-'];
}

const SUBSCRIBER_COLUMNS = ['stream', 'node', 'method', 'peer', 'opened', 'last ACK', 'last NACK'];

function subscribersTitle({ subscribers, subscribers_total: total }: Status): string {
  return `Subscribers: ${total}${total > subscribers.length ? `, the first ${subscribers.length} of them` : ''}`;
}

function subscriberRow(subscriber: SubscriberStatus, ago: Ago): Row {
  const { stream, node, method, peer, rule, opened_at, names, names_left_out, unanswered, last_ack, last_nack } = subscriber;
  const who = peer.pid === undefined ? `connection ${peer.connection}` : `uid ${peer.uid}, gid ${peer.gid}, pid ${peer.pid}`;
  return {
    cells: [String(stream), node || '-', method, who, ago(opened_at), ago(last_ack), ago(last_nack?.at)],
    below: [
      ...(rule === undefined ? [] : [`may have what ${rule === 'none' ? 'no rule' : rule} gives`]),
      ...names.map(nameLine),
      ...(names_left_out === undefined ? [] : [`and ${names_left_out} more names`]),
      ...(unanswered === 0 ? [] : [`${unanswered} responses are not answered`]),
      ...(last_nack === undefined ? [] : [`rejected ${last_nack.names.join(', ')}: ${last_nack.reason}`]),
    ],
  };
}

function nameLine({ name, sent, in_use: inUse, rejected, held }: SubscribedName): string {
  if (held) return `${name}: held${inUse === undefined ? '' : `, has ${inUse}`}`;
  if (rejected !== undefined) return `${name}: rejected ${rejected}, has ${inUse ?? 'none'}`;
  return `${name}: ${sent ?? 'nothing sent yet'}${sent === inUse ? '' : ', not accepted yet'}`;
}

/** @returns nothing when there are no rows */
function tableText(paint: Paint, title: string, columns: readonly string[], rows: readonly Row[]): string {
  if (rows.length === 0) return '';
  const parts = [columns, ...rows].map((row) => ('cells' in row ? row : { cells: row, below: [] }));
  const widths = columns.map((_, column) => Math.max(...parts.map(({ cells }) => cells[column]?.length ?? 0)));
  const lines = parts.flatMap(({ cells, below }) => [
    cells
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
    ...below.map((line) => `  ${line}`),
  ]);
  return `${paint(title, 'heading')}\n${lines.map((line) => `  ${line}\n`).join('')}`;
}

/** The two largest units. */
function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return /^(?:\d+[a-z]+){1,2}/.exec(formatDuration(seconds * 1000))?.[0] ?? '0s';
}
