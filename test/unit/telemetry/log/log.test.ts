import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import type { Event } from '../../../../src/events.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../../src/spiffe/spiffe-id.ts';
import { logEvents } from '../../../../src/telemetry/log/log.ts';

const id = parseSpiffeId('spiffe://example.org/web');
const trustDomain = parseTrustDomain('example.org');
const notAfter = Date.UTC(2030, 0, 1);
const peer = { connection: 3, credentials: { uid: 101, gid: 102, pid: 77 } };
const stream = { stream: 7, method: 'sotw', node: 'edge', peer } as const;
const secret = { name: 'default', kind: 'tls_certificate', version: 'abc' } as const;
const pushed = { ...stream, secrets: [secret], nonce: '1', removed: [], update: 4, because: 'update' } as const;
const answered = { ...pushed, afterMs: 1.5 };
const lost = { address: 'unix:///a', code: 'UNAVAILABLE', details: 'gone', meaning: 'it is gone', failures: 2 };

/** One of each, with the level that it has and its sentence. */
const EVENTS: { readonly [Type in Event['type']]: readonly [Event & { readonly type: Type }, level: string, sentence: string] } =
  {
    listening: [{ type: 'listening', address: 'unix:///s', mode: '0660' }, 'info', 'serving SDS on unix:///s'],
    socket_lost: [
      { type: 'socket_lost', address: 'unix:///s', reason: 'it was removed' },
      'error',
      'nobody can connect to unix:///s any more: it was removed',
    ],
    socket_restored: [{ type: 'socket_restored', address: 'unix:///s' }, 'info', 'the socket is back: serving SDS on unix:///s'],
    socket_unprotected: [
      { type: 'socket_unprotected', address: 'unix:///run/s', folder: '/run' },
      'warn',
      "every user may write to /run, and so replace the socket unix:///run/s: remove that right (chmod o-w), or make the folder sticky (chmod +t); in a pod, mount the volume with readOnly: true in Envoy's container, which can still connect",
    ],
    draining: [{ type: 'draining', streams: 3 }, 'info', 'stopping: ending 3 streams'],
    stopped: [{ type: 'stopped' }, 'info', 'stopped'],
    admin_listening: [
      { type: 'admin_listening', part: 'api', address: '127.0.0.1:8082' },
      'info',
      'the admin API is at 127.0.0.1:8082',
    ],
    admin_failed: [
      { type: 'admin_failed', part: 'api', address: '127.0.0.1:8082', reason: 'it is taken' },
      'error',
      'cannot open the admin API at 127.0.0.1:8082, the sidecar goes on without it: it is taken',
    ],
    workload_api_connected: [
      { type: 'workload_api_connected', address: 'unix:///a', afterMs: 12 },
      'info',
      'connected to the Workload API at unix:///a',
    ],
    workload_api_lost: [
      { type: 'workload_api_lost', ...lost, retryInMs: 100 },
      'warn',
      'it is gone (unix:///a: UNAVAILABLE: gone)',
    ],
    workload_apis: [
      { type: 'workload_apis', addresses: ['unix:///a', 'unix:///b'], leaving: ['unix:///c'] },
      'info',
      'the Workload APIs are unix:///a, unix:///b; unix:///c is asked until all of these have answered',
    ],
    workload_api_conflict: [
      { type: 'workload_api_conflict', of: 'bundle', name: 'example.org', used: 'unix:///a', left: 'unix:///b' },
      'warn',
      'two Workload APIs give the bundle of example.org differently: the one of unix:///a is used, that of unix:///b is not; give it in one of them, or change their order in workload_api',
    ],
    workload_api_conflict_over: [
      { type: 'workload_api_conflict_over', of: 'svid', name: id, used: 'unix:///a', left: 'unix:///b' },
      'info',
      'spiffe://example.org/web is not given differently by unix:///b any more',
    ],
    context_received: [
      { type: 'context_received', message: 1, svids: 1, bundles: 2 },
      'debug',
      'the Workload API sent 1 SVIDs and 2 bundles',
    ],
    context_discarded: [
      { type: 'context_discarded', message: 1, code: 'svid_invalid', reason: 'it expired' },
      'error',
      'discarded a message of the Workload API, the one before stays in use: it expired',
    ],
    svid_received: [
      { type: 'svid_received', id, hint: '', serial: '01', notAfter },
      'info',
      'received spiffe://example.org/web, serial 01',
    ],
    svid_rotated: [
      { type: 'svid_rotated', id, hint: '', serial: '02', notAfter },
      'info',
      'rotated spiffe://example.org/web, serial 02',
    ],
    svid_withdrawn: [{ type: 'svid_withdrawn', id, reason: 'gone' }, 'warn', 'withdrew spiffe://example.org/web: gone'],
    bundle_updated: [
      { type: 'bundle_updated', trustDomain, authorities: 2, notAfter },
      'info',
      'bundle of example.org has 2 authorities',
    ],
    bundle_withdrawn: [
      { type: 'bundle_withdrawn', trustDomain, reason: 'gone' },
      'warn',
      'withdrew the bundle of example.org: gone',
    ],
    svid_chain_changed: [
      { type: 'svid_chain_changed', id, hint: '', serial: '0A', notAfter: 0 },
      'info',
      `received other intermediates for ${id}, serial 0A`,
    ],
    svid_not_yet_valid: [
      { type: 'svid_not_yet_valid', id, serial: '0A', from: 30_000, inMs: 29_500, meanwhile: 'the one before' },
      'warn',
      `${id}, serial 0A, is not valid before 1970-01-01T00:00:30.000Z, 30 s from now by this machine's clock: is the clock right? Until then the certificate before it is served`,
    ],
    svid_valid: [
      { type: 'svid_valid', id, serial: '0A' },
      'info',
      `${id}, serial 0A, is valid by this machine's clock, and is served again`,
    ],
    trust_domain_left_out: [
      { type: 'trust_domain_left_out', trustDomain: 'partner.test', ...stream },
      'error',
      'the Envoy edge refuses the bundle of partner.test: until that bundle changes, it gets validation contexts without it, and accepts no peers of that trust domain',
    ],
    certificate_left_out: [
      { type: 'certificate_left_out', of: 'spiffe://a.test', subject: 'CN=odd', reason: 'it is not a CA certificate' },
      'warn',
      'left out the certificate CN=odd of spiffe://a.test: it is not a CA certificate',
    ],
    bundle_left_out: [
      { type: 'bundle_left_out', trustDomain, reason: 'empty' },
      'warn',
      'left out the bundle of example.org: empty',
    ],
    crl_left_out: [
      { type: 'crl_left_out', trustDomain, reason: 'expired' },
      'warn',
      'left out a CRL of example.org: its revoked peers are accepted: expired',
    ],
    svid_expiring: [
      { type: 'svid_expiring', id, serial: '01', notAfter },
      'warn',
      'spiffe://example.org/web was not rotated in time, it expires at 2030-01-01T00:00:00.000Z: check the Workload API',
    ],
    svid_expired: [
      { type: 'svid_expired', id, serial: '01', notAfter },
      'error',
      'spiffe://example.org/web has expired at 2030-01-01T00:00:00.000Z: not served to new subscribers, Envoys that have it keep it',
    ],
    trust_domain_distrusted: [
      { type: 'trust_domain_distrusted', trustDomain },
      'warn',
      'example.org is not trusted any more: Envoys get a validation context that accepts none of its peers',
    ],
    configuration_reloaded: [
      { type: 'configuration_reloaded', changed: ['names', 'log.level'], needRestart: ['sds.listen'] },
      'info',
      'applied the changed configuration: names, log.level; only after a restart: sds.listen',
    ],
    configuration_rejected: [
      { type: 'configuration_rejected', reason: 'a typo' },
      'error',
      'the changed configuration is not used, the one before stays in force: a typo',
    ],
    stream_opened: [{ type: 'stream_opened', ...stream }, 'debug', 'stream 7 opened'],
    stream_subscribed: [
      { type: 'stream_subscribed', ...stream, subscription: 'names', names: ['default', 'ROOTCA'], form: 'spiffe' },
      'debug',
      'stream 7 of node "edge" asks for default, ROOTCA',
    ],
    type_ignored: [
      { type: 'type_ignored', ...stream, typeUrl: 'type.googleapis.com/x' },
      'info',
      'node "edge" asks for "type.googleapis.com/x" on an aggregated stream: only secrets are served here',
    ],
    bundle_rollout: [
      { type: 'bundle_rollout', waiting: 2 },
      'info',
      'CA roll: the new certificates wait until 2 streams have accepted the new bundle',
    ],
    bundle_rolled_out: [
      { type: 'bundle_rolled_out', late: 1 },
      'warn',
      'CA roll: the new certificates are sent, although 1 streams have not answered in time',
    ],
    workload_begun: [
      { type: 'workload_begun', workload: { number: 1, pid: 77, uid: 101 } },
      'info',
      'a process has made its first call: the broker is asked what it may have (workload of uid 101, pid 77)',
    ],
    workload_ended: [
      { type: 'workload_ended', workload: { number: 1, pid: 77, uid: 101 }, reason: 'its process has ended' },
      'info',
      'all that a process had is dropped: its process has ended (workload of uid 101, pid 77)',
    ],
    workload_refused: [
      { type: 'workload_refused', reason: 'process', details: 'its process has ended', peer },
      'warn',
      'ended a call on connection 3 of uid 101, gid 102, pid 77: its process has ended',
    ],
    connection_refused: [
      { type: 'connection_refused', limit: 64, peer },
      'warn',
      'refused a connection of uid 101, gid 102, pid 77: there are 64 already (sds.limits.connections)',
    ],
    connection_broken: [
      { type: 'connection_broken', peer: stream.peer, reason: 'no HTTP/2' },
      'warn',
      'closed connection 3 of uid 101, gid 102, pid 77: no HTTP/2',
    ],
    request_malformed: [
      { type: 'request_malformed', call: '/a.B/C', details: 'it is no D', peer },
      'warn',
      'refused a call of /a.B/C of uid 101, gid 102, pid 77: it is no D',
    ],
    access_denied: [
      { type: 'access_denied', peer, node: 'edge-1', rule: 'sds.allow[1]', reason: 'sds.allow[1] gives it nothing' },
      'warn',
      'no secrets for a peer of uid 101, gid 102, pid 77, node "edge-1": sds.allow[1] gives it nothing (sds.allow)',
    ],
    stream_denied: [
      { type: 'stream_denied', ...stream, reason: 'names', details: 'too many' },
      'warn',
      'ended stream 7 of node "edge" of uid 101, gid 102, pid 77: too many',
    ],
    peer_processes_by_pid: [
      { type: 'peer_processes_by_pid' },
      'warn',
      'this kernel is older than Linux 6.5: a peer is the process that has its pid when it connects (node.allow_without_pidfd)',
    ],
    peer_credentials_unavailable: [
      { type: 'peer_credentials_unavailable', reason: 'no addon' },
      'warn',
      'peers are known by the numbers of their connections only, not by uid, gid and pid: no addon',
    ],
    process_open: [
      { type: 'process_open', reason: 'no addon' },
      'warn',
      'other processes of this user can look into this one, and at its keys: no addon',
    ],
    telemetry_failed: [
      { type: 'telemetry_failed', reason: 'the collector does not answer' },
      'warn',
      'the collector does not answer',
    ],
    telemetry_recovered: [
      { type: 'telemetry_recovered', about: 'http://collector:4317' },
      'info',
      'telemetry reaches http://collector:4317 again',
    ],
    audit_recovered: [{ type: 'audit_recovered' }, 'info', 'audit lines are written again (log.audit)'],
    audit_failed: [{ type: 'audit_failed', reason: 'cannot write to /a' }, 'error', 'cannot write to /a'],
    connection_not_http2: [
      { type: 'connection_not_http2', peer },
      'warn',
      'a peer of uid 101, gid 102, pid 77 does not speak HTTP/2 on the SDS socket: in Envoy, give its cluster typed_extension_protocol_options: ' +
        '{ envoy.extensions.upstreams.http.v3.HttpProtocolOptions: ' +
        '{ "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http2_protocol_options: {} } } }',
    ],
    audit_omitted: [
      { type: 'audit_omitted', lines: 7, peer },
      'warn',
      'left out 7 audit lines about a peer of uid 101, gid 102, pid 77: it caused too many',
    ],
    audit_dropped: [
      { type: 'audit_dropped', lines: 7 },
      'error',
      'lost 7 audit lines: the target of log.audit does not take them fast enough',
    ],
    token_received: [
      { type: 'token_received', message: 3, id, audience: ['payments', 'orders'], notAfter },
      'info',
      'received the token of spiffe://example.org/web for payments, orders, good until 2030-01-01T00:00:00.000Z',
    ],
    token_rotated: [
      { type: 'token_rotated', message: 3, id, audience: ['payments'], notAfter },
      'info',
      'rotated the token of spiffe://example.org/web for payments, good until 2030-01-01T00:00:00.000Z',
    ],
    token_withdrawn: [
      { type: 'token_withdrawn', id, audience: ['payments'], reason: 'it has expired' },
      'warn',
      'withdrew the token of spiffe://example.org/web for payments, Envoys that have it keep it: it has expired',
    ],
    token_failed: [
      { type: 'token_failed', id, audience: ['payments'], code: 'UNAVAILABLE', reason: 'it is gone', retried: true },
      'warn',
      'no new token of spiffe://example.org/web for payments: it is gone',
    ],
    jwt_bundle_updated: [
      { type: 'jwt_bundle_updated', trustDomain, keys: 2 },
      'info',
      'the JWT bundle of example.org has 2 keys',
    ],
    jwt_bundle_withdrawn: [
      { type: 'jwt_bundle_withdrawn', trustDomain, reason: 'it is gone' },
      'warn',
      'withdrew the JWT bundle of example.org: it is gone',
    ],
    jwt_bundle_left_out: [
      { type: 'jwt_bundle_left_out', trustDomain, reason: 'it is not JSON' },
      'warn',
      'left out the JWT bundle of example.org: it is not JSON',
    ],
    jwt_key_left_out: [
      { type: 'jwt_key_left_out', trustDomain, key: 'k1', reason: 'it has no kid' },
      'warn',
      'left out the key k1 of the JWT bundle of example.org: it has no kid',
    ],
    jwt_bundles_refused: [
      { type: 'jwt_bundles_refused', code: 'UNIMPLEMENTED', details: 'no', meaning: 'it has none', retried: false },
      'error',
      'no JWT bundles: it has none (UNIMPLEMENTED: no); it is not tried again: fix that, then restart the sidecar',
    ],
    jwks_listening: [{ type: 'jwks_listening', address: 'unix:///j' }, 'info', 'the JWT bundles are at unix:///j'],
    jwks_failed: [
      { type: 'jwks_failed', address: 'unix:///j', reason: 'it is taken' },
      'error',
      'cannot serve JWT bundles at unix:///j, the sidecar goes on without that: it is taken',
    ],
    message_received: [
      { type: 'message_received', message: 1, method: 'FetchX509SVID' },
      'debug',
      'received message 1 of FetchX509SVID',
    ],
    bundles_received: [{ type: 'bundles_received', message: 2, bundles: 3 }, 'debug', 'the Workload API sent 3 bundles'],
    message_handled: [{ type: 'message_handled', message: 1 }, 'debug', 'handled message 1'],
    secrets_updated: [
      { type: 'secrets_updated', update: 4, cause: 'workload_api', names: 5 },
      'debug',
      'update 4: there are 5 names',
    ],
    secret_encoded: [{ type: 'secret_encoded', ...secret, bytes: 900 }, 'debug', 'encoded default@abc, 900 bytes'],
    update_settled: [{ type: 'update_settled', update: 4 }, 'debug', 'update 4: every stream that it concerned has answered'],
    connection_opened: [{ type: 'connection_opened', peer }, 'debug', 'connection 3 opened of uid 101, gid 102, pid 77'],
    connection_closed: [{ type: 'connection_closed', peer: { connection: 3 } }, 'debug', 'connection 3 closed'],
    secrets_fetched: [
      { type: 'secrets_fetched', secrets: [secret], node: 'edge', peer },
      'debug',
      'node "edge" fetched default@abc',
    ],
    stream_closed: [{ type: 'stream_closed', ...stream, reason: 'it left' }, 'debug', 'stream 7 closed: it left'],
    names_held: [
      { type: 'names_held', ...stream, names: ['x'], available: ['default', 'ALL'] },
      'warn',
      'for node "edge": no secret named x: held until there is one; existing names: default, ALL',
    ],
    secrets_pushed: [{ type: 'secrets_pushed', ...pushed }, 'debug', 'sent default@abc on stream 7'],
    secrets_accepted: [{ type: 'secrets_accepted', ...answered }, 'debug', 'node "edge" accepted default@abc'],
    secrets_rejected: [
      { type: 'secrets_rejected', ...answered, reason: 'no key', kind: 'private_key' },
      'error',
      'node "edge" rejected default@abc: no key',
    ],
  };

type Line = Readonly<Record<string, unknown>>;

function logged(event: Event, level = 'trace'): readonly Line[] {
  const lines: Line[] = [];
  const log = pino({ level, base: null, timestamp: false }, { write: (line) => lines.push(JSON.parse(line)) });
  logEvents(log)(event);
  return lines;
}

function sentenceOf(event: Event): unknown {
  return logged(event)[0]?.['msg'];
}

describe.each(Object.entries(EVENTS))('%s', (type, [event, level, sentence]) => {
  test('is one line with its name, its level and a sentence for people', () => {
    expect(logged(event)).toEqual([expect.objectContaining({ event: type, level: pino.levels.values[level], msg: sentence })]);
  });
});

describe('a line', () => {
  test('has the fields of its event, named as in configurations, with times as people read them', () => {
    expect(logged({ type: 'svid_received', id, hint: 'internal', serial: '01', notAfter })).toEqual([
      {
        level: 30,
        event: 'svid_received',
        id,
        hint: 'internal',
        serial: '01',
        not_after: '2030-01-01T00:00:00.000Z',
        msg: expect.any(String),
      },
    ]);
  });

  test('is left out below the level that was asked for', () => {
    expect(logged({ type: 'stream_opened', ...stream }, 'info')).toEqual([]);
  });

  test('about a process of a node that no entry is for is a warning, for nothing else would say it', () => {
    const workload = { number: 1, pid: 7, uid: 101 };
    expect(logged({ type: 'context_received', message: 1, svids: 0, bundles: 0, workload })).toEqual([
      expect.objectContaining({ level: 40, msg: expect.stringContaining('is there a registration entry') }),
    ]);
  });

  test('of one of several Workload APIs says which', () => {
    const discarded = { type: 'context_discarded', message: 1, code: 'svid_invalid', reason: 'it expired' } as const;
    expect(logged({ ...discarded, source: 'unix:///b' })).toEqual([
      expect.objectContaining({ source: 'unix:///b', msg: expect.stringMatching(/it expired \(from unix:\/\/\/b\)$/) }),
    ]);
  });

  test('about an SVID with a warning is a warning', () => {
    expect(logged({ type: 'svid_received', id, hint: '', serial: '01', notAfter, warning: 'use P-256' })).toEqual([
      expect.objectContaining({ level: 40, msg: 'received spiffe://example.org/web, serial 01: use P-256' }),
    ]);
  });

  test('about a Workload API that is not tried again is an error', () => {
    expect(logged({ type: 'workload_api_lost', ...lost })).toEqual([
      expect.objectContaining({
        level: 50,
        msg: expect.stringMatching(/; it is not tried again: fix that, then restart the sidecar$/),
      }),
    ]);
  });

  test("about a CRL that is nobody's names no trust domain", () => {
    expect(sentenceOf({ type: 'crl_left_out', reason: 'it does not parse' })).toBe('left out a CRL: it does not parse');
  });

  test('about a configuration in which nothing changed says that', () => {
    expect(sentenceOf({ type: 'configuration_reloaded', changed: [], needRestart: [] })).toBe(
      'applied the changed configuration: nothing changed',
    );
  });

  test('about a name that is held although there is one says why', () => {
    expect(sentenceOf({ type: 'names_held', ...stream, names: ['ALL'], available: ['default', 'ALL'] })).toBe(
      'for node "edge": ALL: held, because one trusted_ca cannot keep several trust domains apart (validation.unsafe_merge allows it)',
    );
  });

  test('about a name that stands for another kind of secret now says what to do', () => {
    expect(sentenceOf({ type: 'names_held', ...stream, names: ['x'], available: ['x'], otherKind: ['x'] })).toBe(
      'for node "edge": x: held, because this name was sent as another kind of secret before: give the new secret another name, or restart the Envoy',
    );
  });

  test('about a name that is held says so when there is none at all', () => {
    expect(sentenceOf({ type: 'names_held', ...stream, names: ['x'], available: [] })).toMatch(/existing names: none$/);
  });

  test('is short, however much a peer asks for and whatever it calls itself', () => {
    const long = 'x'.repeat(1024 * 1024);
    const names = Array.from({ length: 1_024 }, (_, i) => `${i}${'y'.repeat(2_000)}`);
    for (const event of [
      { type: 'names_held', ...stream, node: long, names, available: names },
      { type: 'names_held', ...stream, names, available: [] },
      { type: 'stream_subscribed', ...stream, node: long, subscription: 'names', names, form: 'spiffe' },
      { type: 'secrets_pushed', ...pushed, secrets: names.map((name) => ({ ...secret, name })), removed: names },
      { type: 'type_ignored', ...stream, node: long, typeUrl: long },
      { type: 'stream_denied', ...stream, node: long, reason: 'names', details: long },
    ] satisfies readonly Event[])
      expect(JSON.stringify(logged(event)[0]).length, event.type).toBeLessThan(8_192);
  });

  test('says how many names it does not list', () => {
    const names = Array.from({ length: 30 }, (_, i) => `${i}${'y'.repeat(200)}`);
    expect(sentenceOf({ type: 'names_held', ...stream, names, available: [] })).toMatch(/3y+, 4y+ and 25 more: held/);
  });

  test.for(['none', 'everything'] as const)('about a subscription to %s says that', (subscription) => {
    expect(sentenceOf({ type: 'stream_subscribed', ...stream, subscription, names: [], form: 'spiffe' })).toBe(
      `stream 7 of node "edge" asks for ${subscription}`,
    );
  });

  test.for(['\n', '\r', '\x1b[2J', '\0', '\u2028', '\u202e'])('cannot be forged by a name with %j in it', (character) => {
    const names = [`x${character}INFO: all is well`];
    expect(sentenceOf({ type: 'names_held', ...stream, names, available: [] })).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  });
});

describe('the log', () => {
  const file = join(import.meta.dirname, '..', '..', '..', '..', 'src', 'telemetry', 'log', 'log.ts');

  /** What a process writes that tells two events, and more in between. */
  function written(format: string, level: string, more = ''): Promise<{ readonly stdout: string; readonly stderr: string }> {
    const program = `
      const { openLog } = await import(${JSON.stringify(file)});
      const { events: tell } = await openLog({ level: '${level}', format: '${format}' });
      tell({ type: 'draining', streams: 3 });
      ${more}
      tell({ type: 'stopped' });
      process.exit();`;
    return promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  }

  test('in JSON is an object in each line of stderr, written before the process ends', async () => {
    const { stdout, stderr } = await written('json', 'info');
    const events = stderr
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).event);
    expect([stdout, events]).toEqual(['', ['draining', 'stopped']]);
  });

  test('in JSON holds nothing that commands a terminal or begins a line for some readers, and is the same all the same', async () => {
    const name = 'x\u009b2J\x7f\u2028\u202e\u{e0001}y';
    const event = { type: 'names_held', ...stream, names: [name], available: [] };
    const { stderr } = await written('json', 'info', `tell(${JSON.stringify(event)});`);
    expect(stderr).not.toMatch(/[\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}]/u);
    expect(JSON.parse(stderr.split('\n')[1] ?? '')).toMatchObject({ names: [name] });
  });

  test('as text is a sentence in each line of stderr, without colours where there is no terminal', async () => {
    const { stdout, stderr } = await written('text', 'info');
    expect([stdout, stderr]).toEqual([
      '',
      expect.stringMatching(/^\[.*\] INFO: stopping: ending 3 streams\n\[.*\] INFO: stopped\n$/),
    ]);
  });

  test('is empty when it is to be silent', async () => {
    expect(await written('json', 'silent')).toEqual({ stdout: '', stderr: '' });
  });
});
