/** A status as text for people: what matters most first, a table for each kind of thing. */

import type { BundleStatus, IdentityStatus, NameStatus, Status, TokenStatus } from '../admin/status.ts';
import type { SubscribedName, SubscriberStatus } from '../admin/subscribers.ts';
import { formatDuration } from '../config/values/duration.ts';

/** @param status without characters that a terminal would heed */
export function statusText(status: Status): string {
  const now = Date.parse(status.started_at) + status.uptime * 1000;
  const ago = (at: string | undefined) => (at === undefined ? 'never' : `${span(now - Date.parse(at))} ago`);
  const sections = [
    head(status, ago),
    table('Identities', ['SPIFFE ID', 'hint', 'expires in', 'received', 'served as'], identityRows(status.identities, ago)),
    table('Bundles', ['trust domain', 'authorities', 'valid until'], status.bundles.map(bundleRow)),
    table(
      'Tokens',
      ['SPIFFE ID', 'audience', 'expires in', 'received'],
      status.tokens.map((token) => tokenRow(token, ago)),
    ),
    table('Names', ['name', 'kind', 'versions that were asked for'], status.names.map(nameRow)),
    subscribersText(status, ago),
    table(
      'Held: nothing to send for',
      ['name', 'streams'],
      status.held.map(({ name, streams }) => [name, String(streams)]),
    ),
  ];
  return sections.filter((section) => section !== '').join('\n');
}

type Ago = (at: string | undefined) => string;
/** The first line is the row; what else there is to say stands below it. */
type Row = readonly string[] | { readonly cells: readonly string[]; readonly below: readonly string[] };

function head({ version, uptime, ready, checks, sds, configuration, upstream }: Status, ago: Ago): string {
  const { digest, file, last_reload: reload } = configuration;
  // Of the Workload API there is more to say below.
  const failed = checks.filter(({ name, ok }) => !ok && name !== 'upstream');
  const lines = [
    `spiffe-sds ${version}, ${ready ? 'ready' : 'not ready'}, up ${span(uptime * 1000)}`,
    ...failed.map(({ name, reason }) => `  ${name}: ${reason}`),
    `  SDS            ${sds.address}`,
    `  configuration  ${file ?? 'no file'}, ${digest.slice(0, 'sha256:'.length + 12)}`,
    ...(reload?.problem === undefined ? [] : [`    the file of ${ago(reload.at)} is not used: ${reload.problem}`]),
    ...(reload === undefined || reload.need_restart.length === 0
      ? []
      : [`    in force after a restart: ${reload.need_restart.join(', ')}`]),
    `  Workload API   ${upstream.address ?? 'unknown'}, ${upstream.state} ${ago(upstream.since)}, last message ${ago(upstream.last_message)}`,
    ...(upstream.meaning === undefined
      ? []
      : [`    ${upstream.meaning} (${upstream.code}: ${upstream.details}), ${upstream.failures} times in vain`]),
    ...(upstream.discarded === undefined
      ? []
      : [`    its message of ${ago(upstream.discarded.at)} was discarded: ${upstream.discarded.reason}`]),
  ];
  return `${lines.join('\n')}\n`;
}

function identityRows(identities: readonly IdentityStatus[], ago: Ago): readonly Row[] {
  return identities.map(({ id, hint, state, expires_in, received_at, last_failure, warning, names }) => ({
    cells: [
      id,
      hint || '-',
      state === 'expired' ? `expired ${span(-expires_in * 1000)} ago` : span(expires_in * 1000),
      ago(received_at),
      names.filter((name) => name !== id).join(', ') || '-',
    ],
    below: [
      ...(last_failure === undefined ? [] : [`its rotation failed ${ago(last_failure)}`]),
      ...(warning === undefined ? [] : [warning]),
    ],
  }));
}

function bundleRow({ trust_domain, authorities, not_after, distrusted }: BundleStatus): Row {
  return [trust_domain, distrusted ? 'distrusted: nobody is accepted' : String(authorities), not_after ?? '-'];
}

function tokenRow({ id, audience, expires_in, received_at }: TokenStatus, ago: Ago): Row {
  return [id, audience.join(', '), span(expires_in * 1000), ago(received_at)];
}

function nameRow({ name, kind, versions }: NameStatus): Row {
  return [name, kind, versions.join(', ') || '-'];
}

function subscribersText({ subscribers, subscribers_total: total }: Status, ago: Ago): string {
  const shown = total > subscribers.length ? `, the first ${subscribers.length} of them` : '';
  const columns = ['stream', 'node', 'method', 'peer', 'opened', 'last ACK', 'last NACK'];
  return table(
    `Subscribers: ${total}${shown}`,
    columns,
    subscribers.map((subscriber) => subscriberRow(subscriber, ago)),
  );
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
function table(title: string, columns: readonly string[], rows: readonly Row[]): string {
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
  return `${title}\n${lines.map((line) => `  ${line}\n`).join('')}`;
}

/** The two largest units. */
function span(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return /^(?:\d+[a-z]+){1,2}/.exec(formatDuration(seconds * 1000))?.[0] ?? '0s';
}
