/**
 * What matters for security, as audit records: who did what to what, and how it ended. No record holds a key, a token, or words of an
 * Envoy that were not redacted. docs/audit.md shows each.
 */
import { isoTime } from '../../clock.ts';
import type { Event, Peer, ResponseInfo, SecretVersion, StreamInfo, SvidEvent, TokenEvent } from '../../events.ts';
import { shortened } from '../../printable.ts';
import { SERVICE_NAME } from '../../version.ts';
import type { AuditEventType, AuditRecord } from './audit-events.ts';

/** Characters. A peer chooses its node's id. */
export const MAX_NODE_LENGTH = 256;

const ITSELF = { component: SERVICE_NAME };
const WORKLOAD_API = { component: 'workload_api' };
const OPERATOR = { component: 'operator' };
const NOTHING = {};

/**
 * The records of an event: none for most, several for a response with several secrets.
 * @param at milliseconds since the epoch
 */
export function auditRecords(event: Event, at: number): readonly AuditRecord[] {
  switch (event.type) {
    case 'secrets_pushed':
      return [
        ...ofSecrets(event.secrets, 'secret.delivered', 'deliver', event, at),
        ...ofSecrets(gone(event), 'secret.removed', 'remove', event, at),
      ];
    case 'secrets_accepted':
      return ofSecrets([...event.secrets, ...gone(event)], 'secret.accepted', 'accept', event, at);
    default:
      return rareRecords(event).map((record) => ({ timestamp: timestampOf(at), ...record, ...whose(event, record) }));
  }
}

type Untimed = Omit<AuditRecord, 'timestamp'>;

/** In node mode a record says which workload it is about. */
function whose({ workload }: Event, { metadata }: Untimed): Partial<Pick<AuditRecord, 'metadata'>> {
  return workload === undefined ? {} : { metadata: { ...metadata, workload: { pid: workload.pid, uid: workload.uid } } };
}

function rareRecords(event: Event): readonly Untimed[] {
  switch (event.type) {
    case 'listening':
      return success('service.started', 'start', ITSELF, { address: event.address }, { mode: event.mode });
    case 'socket_lost':
      return failure('socket.lost', 'listen', ITSELF, { address: event.address }, { reason: event.reason });
    case 'socket_restored':
      return success('socket.restored', 'listen', ITSELF, { address: event.address });
    case 'stopped':
      return success('service.stopped', 'stop', ITSELF, NOTHING);
    case 'workload_api_connected':
      return success('workload.authorized', 'authorize', WORKLOAD_API, { address: event.address });
    case 'workload_api_lost': {
      if (event.code !== 'PERMISSION_DENIED') return [];
      const { address, code, details, failures } = event;
      return denied('workload.denied', 'authorize', WORKLOAD_API, { address }, { code, reason: details, failures });
    }
    case 'context_discarded': {
      const { message, code, reason } = event;
      return failure('message.discarded', 'discard', WORKLOAD_API, { message }, { code, reason });
    }
    case 'svid_received':
      return received('identity.received', 'receive', event);
    case 'svid_rotated':
      return received('identity.rotated', 'rotate', event);
    case 'svid_chain_changed':
      return received('identity.renewed', 'renew', event);
    case 'svid_withdrawn':
      return success('identity.withdrawn', 'withdraw', WORKLOAD_API, { spiffe_id: event.id }, { reason: event.reason });
    case 'svid_expired': {
      const { id, serial, notAfter } = event;
      return failure('identity.expired', 'expire', ITSELF, { spiffe_id: id, serial }, { not_after: timestampOf(notAfter) });
    }
    case 'token_received':
    case 'token_rotated': {
      const [type, action] =
        event.type === 'token_received' ? (['token.received', 'receive'] as const) : (['token.rotated', 'rotate'] as const);
      return success(type, action, WORKLOAD_API, tokenOf(event), { not_after: timestampOf(event.notAfter) });
    }
    case 'token_withdrawn':
      return success('token.withdrawn', 'withdraw', WORKLOAD_API, tokenOf(event), { reason: event.reason });
    case 'token_failed':
      return failure('token.failed', 'receive', WORKLOAD_API, tokenOf(event), { code: event.code, reason: event.reason });
    case 'jwt_bundle_updated':
      return success('jwt_bundle.updated', 'update', WORKLOAD_API, { trust_domain: event.trustDomain }, { keys: event.keys });
    case 'jwt_bundle_withdrawn':
      return success(
        'jwt_bundle.withdrawn',
        'withdraw',
        WORKLOAD_API,
        { trust_domain: event.trustDomain },
        { reason: event.reason },
      );
    case 'jwt_bundle_left_out':
      return failure(
        'jwt_bundle.rejected',
        'update',
        WORKLOAD_API,
        { trust_domain: event.trustDomain },
        { reason: event.reason },
      );
    case 'bundle_updated': {
      const { authorities, notAfter, warning } = event;
      const metadata = { authorities, not_after: timestampOf(notAfter), ...(warning !== undefined && { warning }) };
      return success('bundle.updated', 'update', WORKLOAD_API, { trust_domain: event.trustDomain }, metadata);
    }
    case 'bundle_withdrawn':
      return success('bundle.withdrawn', 'withdraw', WORKLOAD_API, { trust_domain: event.trustDomain }, { reason: event.reason });
    case 'certificate_left_out': {
      const { of, subject, reason } = event;
      return failure('certificate.rejected', 'update', WORKLOAD_API, { spiffe_id: of, subject }, { reason });
    }
    case 'bundle_left_out':
      return failure('bundle.rejected', 'update', WORKLOAD_API, { trust_domain: event.trustDomain }, { reason: event.reason });
    case 'crl_left_out':
      return failure('crl.rejected', 'update', WORKLOAD_API, { trust_domain: event.trustDomain }, { reason: event.reason });
    case 'trust_domain_left_out':
      return failure('trust_domain.left_out', 'leave out', actorOf(event.peer, event.node), { trust_domain: event.trustDomain });
    case 'trust_domain_distrusted':
      return success('trust_domain.distrusted', 'distrust', ITSELF, { trust_domain: event.trustDomain });
    case 'secrets_rejected': {
      const metadata = { ...metadataOf(event), kind: event.kind, reason: event.reason };
      const actor = actorOf(event.peer, event.node);
      return [...event.secrets, ...gone(event)].flatMap((secret) =>
        failure('secret.rejected', 'reject', actor, secret, metadata),
      );
    }
    case 'secrets_fetched': {
      const actor = actorOf(event.peer, event.node);
      return event.secrets.flatMap((secret) => success('secret.delivered', 'deliver', actor, secret, { method: 'fetch' }));
    }
    case 'workload_begun':
      return success('workload.begun', 'begin', ITSELF, NOTHING);
    case 'workload_ended':
      return success('workload.ended', 'end', ITSELF, NOTHING, { reason: event.reason });
    case 'workload_refused': {
      const { reason, details } = event;
      return denied('peer.denied', 'call', actorOf(event.peer, ''), { service: 'sds' }, { reason, details });
    }
    case 'connection_refused': {
      const actor = actorOf(event.peer, '');
      return denied('peer.denied', 'connect', actor, { service: 'sds' }, { reason: 'connections', limit: event.limit });
    }
    case 'connection_broken': {
      const actor = actorOf(event.peer, '');
      return denied('peer.denied', 'connect', actor, { service: 'sds' }, { reason: 'protocol', details: event.reason });
    }
    case 'request_malformed': {
      const { call, details } = event;
      return denied('peer.denied', 'call', actorOf(event.peer, ''), { service: 'sds' }, { reason: 'malformed', call, details });
    }
    case 'access_denied': {
      const { rule, reason } = event;
      const metadata = { reason: 'access', ...(rule !== undefined && { rule }), details: reason };
      return denied('peer.denied', 'connect', actorOf(event.peer, event.node), { service: 'sds' }, metadata);
    }
    case 'stream_denied': {
      const { stream, method, reason, details } = event;
      const actor = actorOf(event.peer, event.node);
      return denied('peer.denied', 'subscribe', actor, { service: 'sds', stream }, { method, reason, details });
    }
    case 'configuration_reloaded': {
      const { changed, needRestart } = event;
      return success('configuration.changed', 'change', OPERATOR, { changed }, { need_restart: needRestart });
    }
    case 'configuration_rejected':
      return failure('configuration.rejected', 'change', OPERATOR, NOTHING, { reason: event.reason });
    case 'audit_omitted':
      return denied('audit.omitted', 'omit', actorOf(event.peer, ''), NOTHING, { lines: event.lines });
    case 'audit_dropped':
      return failure('audit.dropped', 'drop', ITSELF, NOTHING, { lines: event.lines });
    default:
      return [];
  }
}

type Making = (
  event_type: AuditEventType,
  action: string,
  actor: object,
  resource: object,
  metadata?: AuditRecord['metadata'],
) => readonly Untimed[];

const success = making('success');
const failure = making('failure');
const denied = making('denied');

function making(result: AuditRecord['result']): Making {
  return (event_type, action, actor, resource, metadata = NOTHING) => [{ event_type, actor, resource, action, result, metadata }];
}

function received(
  event_type: AuditEventType,
  action: string,
  { id, hint, serial, notAfter, warning }: SvidEvent,
): readonly Untimed[] {
  const metadata = { not_after: timestampOf(notAfter), ...(warning !== undefined && { warning }) };
  return success(event_type, action, WORKLOAD_API, { spiffe_id: id, hint, serial }, metadata);
}

function tokenOf({ id, audience }: Pick<TokenEvent, 'id' | 'audience'>): object {
  return { spiffe_id: id, audience };
}

type Responded = ResponseInfo & StreamInfo;

/** This is done for each push and each ACK. */
function ofSecrets(
  secrets: readonly (SecretVersion | Gone)[],
  event_type: AuditEventType,
  action: string,
  response: Responded,
  at: number,
): readonly AuditRecord[] {
  if (secrets.length === 0) return [];
  const timestamp = timestampOf(at);
  const actor = actorOf(response.peer, response.node);
  const metadata = metadataOf(response);
  return secrets.map((resource) => ({ timestamp, event_type, actor, resource, action, result: 'success', metadata }));
}

interface Gone {
  readonly name: string;
}

export function gone({ removed }: ResponseInfo): readonly Gone[] {
  return removed.map((name) => ({ name }));
}

function metadataOf({ stream, method, nonce, update }: Responded): AuditRecord['metadata'] {
  return { stream, method, nonce, update };
}

interface Known {
  readonly node: string;
  readonly credentials: Peer['credentials'];
  readonly actor: object;
}

/** The streams of a connection are one Envoy's, as a rule. */
const known = new WeakMap<Peer, Known>();

export function actorOf(peer: Peer, node: string): object {
  const { connection, credentials } = peer;
  const before = known.get(peer);
  if (before !== undefined && before.node === node && before.credentials === credentials) return before.actor;
  const actor = { connection, ...credentials, ...(node !== '' && { node: shortened(node, MAX_NODE_LENGTH) }) };
  known.set(peer, { node, credentials, actor });
  return actor;
}

let newest = { ms: Number.NaN, text: '' };

/** Many events happen in the same millisecond. */
export function timestampOf(at: number): string {
  const ms = Math.floor(at);
  if (ms !== newest.ms) newest = { ms, text: isoTime(ms) };
  return newest.text;
}
