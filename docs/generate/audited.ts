/** An event of each kind that is audited, and of those whose records differ several: what docs/audit.md shows. */
import type { Event, SvidEvent } from '../../src/events.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/spiffe-id.ts';

const id = parseSpiffeId('spiffe://example.org/web');
const trustDomain = parseTrustDomain('example.org');
const peer = { connection: 1, credentials: { uid: 101, gid: 101, pid: 4242 } };
const unknownPeer = { connection: 2 };
const stream = { stream: 3, method: 'sotw', node: 'edge-1', peer } as const;
const secret = { name: 'default', kind: 'tls_certificate', version: '5d1c1a0c8f2e4b7a' } as const;
const response = { secrets: [secret], nonce: '4', removed: [], update: 12, because: 'update' } as const;
const removal = { ...response, secrets: [], removed: ['spiffe://example.org/old'] };
const answer = { afterMs: 2 };
const notAfter = Date.UTC(2026, 10, 26, 10, 30);
const address = 'unix:///run/spire/agent/api.sock';
const listen = 'unix:///run/spiffe-sds/sds.sock';
const token = { id, audience: ['payments'] };
const svid = { id, hint: '', serial: '5F1A', notAfter };

export const AUDITED: readonly Event[] = [
  { type: 'listening', address: listen, mode: '0660' },
  { type: 'stopped' },
  { type: 'socket_lost', address: listen, reason: 'it was removed' },
  { type: 'socket_restored', address: listen },
  { type: 'workload_api_connected', address, afterMs: 12 },
  {
    type: 'workload_api_lost',
    address,
    code: 'PERMISSION_DENIED',
    details: 'no identity issued',
    meaning: '',
    failures: 1,
    retryInMs: 1000,
  },
  {
    type: 'context_discarded',
    message: 7,
    code: 'svid_invalid',
    reason: 'X509-SVID 1 of 1 (spiffe://example.org/web): its private key does not belong to the leaf',
  },
  ...(['svid_received', 'svid_rotated', 'svid_chain_changed'] as const).flatMap((type): readonly SvidEvent[] => [
    { type, ...svid },
    { type, ...svid, warning: 'its key is secp521r1, which Envoy loads but does not accept from a peer: use P-256 or RSA' },
  ]),
  { type: 'svid_withdrawn', id, reason: 'the Workload API no longer lists it' },
  { type: 'svid_expired', id, serial: '5F1A', notAfter },
  { type: 'token_received', message: 9, ...token, notAfter },
  { type: 'token_rotated', message: 10, ...token, notAfter },
  { type: 'token_withdrawn', ...token, reason: 'it has expired, and no newer one came' },
  { type: 'token_failed', ...token, code: 'UNAVAILABLE', reason: 'the Workload API cannot be reached', retried: true },
  { type: 'jwt_bundle_updated', trustDomain, keys: 2 },
  { type: 'jwt_bundle_withdrawn', trustDomain, reason: 'the Workload API no longer lists it' },
  { type: 'jwt_bundle_left_out', trustDomain: 'partner.test', reason: 'the JWT bundle is not JSON' },
  { type: 'bundle_updated', trustDomain, authorities: 2, notAfter },
  {
    type: 'bundle_updated',
    trustDomain,
    authorities: 1,
    notAfter,
    warning: 'the key of its CA 01 is secp256k1: Envoy accepts nobody whom that CA has signed',
  },
  { type: 'bundle_withdrawn', trustDomain, reason: 'the Workload API no longer lists it' },
  {
    type: 'bundle_left_out',
    trustDomain: 'partner.test',
    reason: 'no certificate of the bundle can be used: CN=old: it is not a CA certificate',
  },
  {
    type: 'crl_left_out',
    trustDomain,
    reason: 'its CA 01 has none that is current, and with a list for some of them Envoy refuses the peers of the others',
  },
  { type: 'crl_left_out', reason: 'the CRL does not parse: it is no CRL' },
  { type: 'certificate_left_out', of: 'spiffe://example.org', subject: 'CN=old', reason: 'it is not a CA certificate' },
  { type: 'trust_domain_distrusted', trustDomain },
  { type: 'trust_domain_left_out', trustDomain: 'partner.test', ...stream },
  { type: 'secrets_pushed', ...stream, ...response },
  { type: 'secrets_pushed', ...stream, ...removal, method: 'delta' },
  { type: 'secrets_fetched', secrets: [secret], node: 'edge-1', peer },
  { type: 'secrets_accepted', ...stream, ...response, ...answer },
  { type: 'secrets_accepted', ...stream, ...removal, ...answer, method: 'delta' },
  { type: 'secrets_rejected', ...stream, ...response, ...answer, kind: 'private_key', reason: 'Failed to load private key' },
  { type: 'secrets_rejected', ...stream, ...removal, ...answer, method: 'delta', kind: 'other', reason: 'unknown name' },
  {
    type: 'stream_denied',
    ...stream,
    reason: 'names',
    details: 'this stream asks for 1025 names, the limit is 1024 (sds.limits.names_per_stream)',
  },
  { type: 'access_denied', peer, node: '', rule: 'sds.allow[1]', reason: 'sds.allow[1] gives it nothing' },
  { type: 'access_denied', peer, node: 'edge-1', reason: 'no rule of sds.allow is for it and the node that it says it is' },
  { type: 'workload_begun', workload: { number: 1, pid: 4711, uid: 101 } },
  { type: 'workload_ended', workload: { number: 1, pid: 4711, uid: 101 }, reason: 'its process has ended' },
  { type: 'connection_refused', limit: 64, peer: unknownPeer },
  { type: 'connection_broken', reason: 'it does not speak HTTP/2', peer },
  {
    type: 'request_malformed',
    call: '/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets',
    details: 'it does not parse',
    peer,
  },
  { type: 'configuration_reloaded', changed: ['names.preset'], needRestart: ['sds.listen'] },
  {
    type: 'configuration_rejected',
    reason: 'cannot use this configuration:\n  /etc/spiffe-sds.yaml:3:1: unknown key "nmaes": did you mean "names"?',
  },
  { type: 'audit_dropped', lines: 40 },
  { type: 'audit_omitted', lines: 1200, peer },
];
