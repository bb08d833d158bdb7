import { describe, expect, test } from 'vitest';
import type { Event } from '../../../../src/events.ts';
import { redact } from '../../../../src/sds/stream/redact.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts';
import { auditRecords } from '../../../../src/telemetry/audit/audit.ts';
import type { AuditRecord } from '../../../../src/telemetry/audit/audit-events.ts';
import { auditLine, auditLines } from '../../../../src/telemetry/audit/audit-line.ts';

const at = Date.UTC(2030, 0, 1, 12, 30, 15, 250) + 0.75;
const timestamp = '2030-01-01T12:30:15.250Z';

const id = parseSpiffeId('spiffe://example.org/web');
const trustDomain = parseTrustDomain('example.org');
const notAfter = Date.UTC(2031, 0, 1);
const not_after = '2031-01-01T00:00:00.000Z';
const peer = { connection: 3, credentials: { uid: 101, gid: 102, pid: 77 } };
const stream = { stream: 7, method: 'sotw', node: 'edge', peer } as const;
const secret = { name: 'default', kind: 'tls_certificate', version: 'abc' } as const;
const root = { name: 'ROOTCA', kind: 'validation_context', version: 'def' } as const;
const response = { ...stream, secrets: [secret, root], nonce: '1', removed: ['gone'], update: 4, because: 'update' } as const;
const answered = { ...response, afterMs: 1.5 };
const lost = { address: 'unix:///a', details: 'no', meaning: 'it is gone', failures: 2, retryInMs: 100 };

const itself = { component: 'spiffe-sds' };
const workloadApi = { component: 'workload_api' };
const operator = { component: 'operator' };
const connected = { connection: 3, uid: 101, gid: 102, pid: 77 };
const edge = { ...connected, node: 'edge' };
const onStream = { stream: 7, method: 'sotw', nonce: '1', update: 4 };

type Expected = readonly [
  event_type: AuditRecord['event_type'],
  action: string,
  result: AuditRecord['result'],
  actor: object,
  resource: object,
  metadata: object,
];

const workload = { number: 1, pid: 77, uid: 101 };

/** One of each, with what it says to who audits. */
const EVENTS: {
  readonly [Type in Event['type']]: readonly [Event & { readonly type: Type }, ...(readonly Expected[])];
} = {
  listening: [
    { type: 'listening', address: 'unix:///s', mode: '0660' },
    ['service.started', 'start', 'success', itself, { address: 'unix:///s' }, { mode: '0660' }],
  ],
  socket_lost: [
    { type: 'socket_lost', address: 'unix:///s', reason: 'it was removed' },
    ['socket.lost', 'listen', 'failure', itself, { address: 'unix:///s' }, { reason: 'it was removed' }],
  ],
  socket_restored: [
    { type: 'socket_restored', address: 'unix:///s' },
    ['socket.restored', 'listen', 'success', itself, { address: 'unix:///s' }, {}],
  ],
  socket_unprotected: [{ type: 'socket_unprotected', address: 'unix:///run/s', folder: '/run' }],
  draining: [{ type: 'draining', streams: 3 }],
  stopped: [{ type: 'stopped' }, ['service.stopped', 'stop', 'success', itself, {}, {}]],
  workload_api_connected: [
    { type: 'workload_api_connected', address: 'unix:///a', afterMs: 12 },
    ['workload.authorized', 'authorize', 'success', workloadApi, { address: 'unix:///a' }, {}],
  ],
  workload_api_lost: [
    { type: 'workload_api_lost', ...lost, code: 'PERMISSION_DENIED' },
    [
      'workload.denied',
      'authorize',
      'denied',
      workloadApi,
      { address: 'unix:///a' },
      { code: 'PERMISSION_DENIED', reason: 'no', failures: 2 },
    ],
  ],
  message_received: [{ type: 'message_received', message: 1, method: 'FetchX509SVID' }],
  workload_apis: [{ type: 'workload_apis', addresses: ['unix:///a', 'unix:///b'], leaving: [] }],
  workload_api_conflict: [
    { type: 'workload_api_conflict', of: 'bundle', name: 'example.org', used: 'unix:///a', left: 'unix:///b' },
  ],
  workload_api_conflict_over: [
    { type: 'workload_api_conflict_over', of: 'bundle', name: 'example.org', used: 'unix:///a', left: 'unix:///b' },
  ],
  context_received: [{ type: 'context_received', message: 1, svids: 1, bundles: 2 }],
  context_discarded: [
    { type: 'context_discarded', message: 1, code: 'svid_invalid', reason: 'it expired' },
    ['message.discarded', 'discard', 'failure', workloadApi, { message: 1 }, { code: 'svid_invalid', reason: 'it expired' }],
  ],
  bundles_received: [{ type: 'bundles_received', message: 2, bundles: 3 }],
  message_handled: [{ type: 'message_handled', message: 1 }],
  svid_received: [
    { type: 'svid_received', id, hint: 'internal', serial: '01', notAfter },
    ['identity.received', 'receive', 'success', workloadApi, { spiffe_id: id, hint: 'internal', serial: '01' }, { not_after }],
  ],
  svid_rotated: [
    { type: 'svid_rotated', id, hint: '', serial: '02', notAfter, warning: 'use P-256' },
    [
      'identity.rotated',
      'rotate',
      'success',
      workloadApi,
      { spiffe_id: id, hint: '', serial: '02' },
      { not_after, warning: 'use P-256' },
    ],
  ],
  svid_withdrawn: [
    { type: 'svid_withdrawn', id, reason: 'gone' },
    ['identity.withdrawn', 'withdraw', 'success', workloadApi, { spiffe_id: id }, { reason: 'gone' }],
  ],
  svid_expiring: [{ type: 'svid_expiring', id, serial: '01', notAfter }],
  svid_expired: [
    { type: 'svid_expired', id, serial: '01', notAfter },
    ['identity.expired', 'expire', 'failure', itself, { spiffe_id: id, serial: '01' }, { not_after }],
  ],
  bundle_updated: [
    { type: 'bundle_updated', trustDomain, authorities: 2, notAfter },
    ['bundle.updated', 'update', 'success', workloadApi, { trust_domain: trustDomain }, { authorities: 2, not_after }],
  ],
  bundle_withdrawn: [
    { type: 'bundle_withdrawn', trustDomain, reason: 'gone' },
    ['bundle.withdrawn', 'withdraw', 'success', workloadApi, { trust_domain: trustDomain }, { reason: 'gone' }],
  ],
  svid_chain_changed: [
    { type: 'svid_chain_changed', id, hint: '', serial: '0A', notAfter: 1_000 },
    [
      'identity.renewed',
      'renew',
      'success',
      workloadApi,
      { spiffe_id: id, hint: '', serial: '0A' },
      { not_after: '1970-01-01T00:00:01.000Z' },
    ],
  ],
  svid_not_yet_valid: [{ type: 'svid_not_yet_valid', id, serial: '0A', from: 1_000, inMs: 500, meanwhile: 'nothing' }],
  svid_valid: [{ type: 'svid_valid', id, serial: '0A' }],
  trust_domain_left_out: [
    { type: 'trust_domain_left_out', trustDomain: 'partner.test', ...stream },
    ['trust_domain.left_out', 'leave out', 'failure', edge, { trust_domain: 'partner.test' }, {}],
  ],
  certificate_left_out: [
    { type: 'certificate_left_out', of: id, subject: 'CN=odd', reason: 'it is not a CA certificate' },
    [
      'certificate.rejected',
      'update',
      'failure',
      workloadApi,
      { spiffe_id: id, subject: 'CN=odd' },
      { reason: 'it is not a CA certificate' },
    ],
  ],
  token_received: [
    { type: 'token_received', message: 3, id, audience: ['payments'], notAfter },
    ['token.received', 'receive', 'success', workloadApi, { spiffe_id: id, audience: ['payments'] }, { not_after }],
  ],
  token_rotated: [
    { type: 'token_rotated', message: 3, id, audience: ['payments'], notAfter },
    ['token.rotated', 'rotate', 'success', workloadApi, { spiffe_id: id, audience: ['payments'] }, { not_after }],
  ],
  token_withdrawn: [
    { type: 'token_withdrawn', id, audience: ['payments'], reason: 'gone' },
    ['token.withdrawn', 'withdraw', 'success', workloadApi, { spiffe_id: id, audience: ['payments'] }, { reason: 'gone' }],
  ],
  token_failed: [
    { type: 'token_failed', id, audience: ['payments'], code: 'UNAVAILABLE', reason: 'no', retried: true },
    [
      'token.failed',
      'receive',
      'failure',
      workloadApi,
      { spiffe_id: id, audience: ['payments'] },
      { code: 'UNAVAILABLE', reason: 'no' },
    ],
  ],
  jwt_bundle_updated: [
    { type: 'jwt_bundle_updated', trustDomain, keys: 2 },
    ['jwt_bundle.updated', 'update', 'success', workloadApi, { trust_domain: trustDomain }, { keys: 2 }],
  ],
  jwt_bundle_withdrawn: [
    { type: 'jwt_bundle_withdrawn', trustDomain, reason: 'gone' },
    ['jwt_bundle.withdrawn', 'withdraw', 'success', workloadApi, { trust_domain: trustDomain }, { reason: 'gone' }],
  ],
  jwt_bundle_left_out: [
    { type: 'jwt_bundle_left_out', trustDomain, reason: 'empty' },
    ['jwt_bundle.rejected', 'update', 'failure', workloadApi, { trust_domain: trustDomain }, { reason: 'empty' }],
  ],
  jwt_key_left_out: [{ type: 'jwt_key_left_out', trustDomain, key: 'k1', reason: 'no kid' }],
  jwt_bundles_refused: [{ type: 'jwt_bundles_refused', code: 'UNIMPLEMENTED', details: '', meaning: '', retried: false }],
  jwks_listening: [{ type: 'jwks_listening', address: 'unix:///j' }],
  jwks_failed: [{ type: 'jwks_failed', address: 'unix:///j', reason: 'taken' }],
  bundle_left_out: [
    { type: 'bundle_left_out', trustDomain, reason: 'empty' },
    ['bundle.rejected', 'update', 'failure', workloadApi, { trust_domain: trustDomain }, { reason: 'empty' }],
  ],
  crl_left_out: [
    { type: 'crl_left_out', trustDomain, reason: 'expired' },
    ['crl.rejected', 'update', 'failure', workloadApi, { trust_domain: trustDomain }, { reason: 'expired' }],
  ],
  trust_domain_distrusted: [
    { type: 'trust_domain_distrusted', trustDomain },
    ['trust_domain.distrusted', 'distrust', 'success', itself, { trust_domain: trustDomain }, {}],
  ],
  configuration_reloaded: [
    { type: 'configuration_reloaded', changed: ['names'], needRestart: ['sds.listen'] },
    ['configuration.changed', 'change', 'success', operator, { changed: ['names'] }, { need_restart: ['sds.listen'] }],
  ],
  configuration_rejected: [
    { type: 'configuration_rejected', reason: 'a typo' },
    ['configuration.rejected', 'change', 'failure', operator, {}, { reason: 'a typo' }],
  ],
  admin_listening: [{ type: 'admin_listening', part: 'api', address: '127.0.0.1:8082' }],
  admin_failed: [{ type: 'admin_failed', part: 'api', address: '127.0.0.1:8082', reason: 'it is in use' }],
  telemetry_failed: [{ type: 'telemetry_failed', reason: 'nobody answers' }],
  telemetry_recovered: [{ type: 'telemetry_recovered', about: 'http://collector:4317' }],
  secrets_updated: [{ type: 'secrets_updated', update: 4, cause: 'workload_api', names: 5 }],
  secret_encoded: [{ type: 'secret_encoded', ...secret, bytes: 900 }],
  update_settled: [{ type: 'update_settled', update: 4 }],
  connection_opened: [{ type: 'connection_opened', peer }],
  connection_closed: [{ type: 'connection_closed', peer }],
  stream_opened: [{ type: 'stream_opened', ...stream }],
  stream_subscribed: [{ type: 'stream_subscribed', ...stream, subscription: 'names', names: ['default'], form: 'spiffe' }],
  stream_closed: [{ type: 'stream_closed', ...stream, reason: 'it left' }],
  names_held: [{ type: 'names_held', ...stream, names: ['x'], available: ['default'] }],
  type_ignored: [{ type: 'type_ignored', ...stream, typeUrl: 'type.googleapis.com/x' }],
  secrets_pushed: [
    { type: 'secrets_pushed', ...response },
    ['secret.delivered', 'deliver', 'success', edge, secret, onStream],
    ['secret.delivered', 'deliver', 'success', edge, root, onStream],
    ['secret.removed', 'remove', 'success', edge, { name: 'gone' }, onStream],
  ],
  secrets_accepted: [
    { type: 'secrets_accepted', ...answered },
    ['secret.accepted', 'accept', 'success', edge, secret, onStream],
    ['secret.accepted', 'accept', 'success', edge, root, onStream],
    ['secret.accepted', 'accept', 'success', edge, { name: 'gone' }, onStream],
  ],
  secrets_rejected: [
    { type: 'secrets_rejected', ...answered, secrets: [secret], reason: 'no key', kind: 'private_key' },
    ['secret.rejected', 'reject', 'failure', edge, secret, { ...onStream, kind: 'private_key', reason: 'no key' }],
    ['secret.rejected', 'reject', 'failure', edge, { name: 'gone' }, { ...onStream, kind: 'private_key', reason: 'no key' }],
  ],
  secrets_fetched: [
    { type: 'secrets_fetched', secrets: [secret], node: 'edge', peer },
    ['secret.delivered', 'deliver', 'success', edge, secret, { method: 'fetch' }],
  ],
  bundle_rollout: [{ type: 'bundle_rollout', waiting: 2 }],
  bundle_rolled_out: [{ type: 'bundle_rolled_out', late: 1 }],
  process_open: [{ type: 'process_open', reason: 'no addon' }],
  peer_processes_by_pid: [{ type: 'peer_processes_by_pid' }],
  peer_credentials_unavailable: [{ type: 'peer_credentials_unavailable', reason: 'no addon' }],
  workload_begun: [
    { type: 'workload_begun', workload },
    ['workload.begun', 'begin', 'success', itself, {}, { workload: { pid: 77, uid: 101 } }],
  ],
  workload_ended: [
    { type: 'workload_ended', workload, reason: 'its process has ended' },
    ['workload.ended', 'end', 'success', itself, {}, { reason: 'its process has ended', workload: { pid: 77, uid: 101 } }],
  ],
  workload_refused: [
    { type: 'workload_refused', reason: 'process', details: 'it has ended', peer },
    ['peer.denied', 'call', 'denied', connected, { service: 'sds' }, { reason: 'process', details: 'it has ended' }],
  ],
  connection_refused: [
    { type: 'connection_refused', limit: 64, peer },
    ['peer.denied', 'connect', 'denied', connected, { service: 'sds' }, { reason: 'connections', limit: 64 }],
  ],
  connection_broken: [
    { type: 'connection_broken', peer: stream.peer, reason: 'no HTTP/2' },
    ['peer.denied', 'connect', 'denied', connected, { service: 'sds' }, { reason: 'protocol', details: 'no HTTP/2' }],
  ],
  request_malformed: [
    { type: 'request_malformed', call: '/a.B/C', details: 'it is no D', peer },
    [
      'peer.denied',
      'call',
      'denied',
      connected,
      { service: 'sds' },
      { reason: 'malformed', call: '/a.B/C', details: 'it is no D' },
    ],
  ],
  access_denied: [
    { type: 'access_denied', peer, node: '', rule: 'sds.allow[1]', reason: 'it gives it nothing' },
    [
      'peer.denied',
      'connect',
      'denied',
      connected,
      { service: 'sds' },
      { reason: 'access', rule: 'sds.allow[1]', details: 'it gives it nothing' },
    ],
  ],
  stream_denied: [
    { type: 'stream_denied', ...stream, reason: 'names', details: 'too many' },
    [
      'peer.denied',
      'subscribe',
      'denied',
      edge,
      { service: 'sds', stream: 7 },
      { method: 'sotw', reason: 'names', details: 'too many' },
    ],
  ],
  audit_failed: [{ type: 'audit_failed', reason: 'no such folder' }],
  audit_recovered: [{ type: 'audit_recovered' }],
  connection_not_http2: [{ type: 'connection_not_http2', peer }],
  audit_omitted: [{ type: 'audit_omitted', lines: 7, peer }, ['audit.omitted', 'omit', 'denied', connected, {}, { lines: 7 }]],
  audit_dropped: [{ type: 'audit_dropped', lines: 7 }, ['audit.dropped', 'drop', 'failure', itself, {}, { lines: 7 }]],
};

function linesOf(event: Event): readonly string[] {
  const lines: string[] = [];
  auditLines(event, at, {
    line: (text) => lines.push(text),
    parts: (head, middle, stream, tail) => lines.push(`${head}${middle}${stream}${tail}`),
  });
  return lines;
}

function parsed(event: Event): readonly AuditRecord[] {
  return linesOf(event).map((line) => JSON.parse(line));
}

describe.each(Object.entries(EVENTS))('%s', (_type, [event, ...expected]) => {
  test(expected.length === 0 ? 'is nothing for who audits' : 'is told to who audits', () => {
    const records = expected.map(([event_type, action, result, actor, resource, metadata]) => ({
      timestamp,
      event_type,
      actor,
      resource,
      action,
      result,
      metadata,
    }));
    expect(parsed(event)).toEqual(records);
  });

  test('is the same as a line and as a record', () => {
    expect(linesOf(event)).toEqual(auditRecords(event, at).map(auditLine));
  });
});

describe('an audit line', () => {
  const [first] = auditRecords(EVENTS.secrets_pushed[0], at) as readonly [AuditRecord];

  test('is one JSON object with seven fields, always in the same order', () => {
    const line = auditLine(first);
    expect(line.indexOf('\n')).toBe(line.length - 1);
    expect(Object.keys(JSON.parse(line))).toEqual([
      'timestamp',
      'event_type',
      'actor',
      'resource',
      'action',
      'result',
      'metadata',
    ]);
  });

  test('is short, whatever a peer or the Workload API says', () => {
    const long = 'x'.repeat(1024 * 1024);
    for (const event of [
      { ...EVENTS.secrets_pushed[0], node: long },
      { ...EVENTS.workload_api_lost[0], code: 'PERMISSION_DENIED', details: long },
    ])
      for (const line of linesOf(event)) expect(line.length).toBeLessThan(8_192);
  });

  test.for(['\n', '\r', '\x1b[2J', '\0', '\u2028', '\u0085', '\u009b', '\x7f', '\u202e', '\u{e0001}', '"}\n{', '\ud800'])(
    'cannot be forged with %j',
    (text) => {
      const name = `x${text}y`;
      const [line = ''] = linesOf({ type: 'secrets_pushed', ...response, node: name, secrets: [], removed: [name] });
      expect(line.trimEnd()).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
      expect(JSON.parse(line)).toMatchObject({ actor: { node: name }, resource: { name } });
    },
  );

  test('has no byte of a key that an Envoy put into its rejection', () => {
    const key = 'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgV1'.repeat(4);
    const text = `Failed to load private key: -----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----`;
    const event: Event = { type: 'secrets_rejected', ...answered, reason: redact(text), kind: 'private_key' };
    const lines = linesOf(event).join('');
    expect(lines).toContain('Failed to load private key');
    expect(lines).not.toMatch(/BEGIN|MIGH|wEHBG/);
  });
});

describe('a peer', () => {
  const opened: Event = { type: 'secrets_fetched', secrets: [secret], node: '', peer: { connection: 9 } };

  test('of whom nothing is known is the number of its connection', () => {
    expect(parsed(opened)).toMatchObject([{ actor: { connection: 9 } }]);
    expect(Object.keys(parsed(opened)[0]?.actor ?? {})).toEqual(['connection']);
  });

  test('that is recognised later is written with its credentials from then on', () => {
    const known: { connection: number; credentials?: { uid: number; gid: number; pid: number } } = { connection: 9 };
    const before = parsed({ ...opened, peer: known });
    known.credentials = { uid: 1, gid: 2, pid: 3 };
    const after = parsed({ ...opened, peer: known });
    expect([before, after]).toMatchObject([
      [{ actor: { connection: 9 } }],
      [{ actor: { connection: 9, uid: 1, gid: 2, pid: 3 } }],
    ]);
  });

  test('that says another node on another stream is written with that node', () => {
    const nodes = ['a', 'b', 'a'].map((node) => parsed({ ...opened, node })[0]?.actor);
    expect(nodes).toMatchObject([{ node: 'a' }, { node: 'b' }, { node: 'a' }]);
  });
});

test('a Workload API that is lost, but has not denied anything, gives no record', () => {
  expect(parsed({ type: 'workload_api_lost', ...lost, code: 'UNAVAILABLE' })).toEqual([]);
});
