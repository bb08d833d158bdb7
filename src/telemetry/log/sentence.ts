/** Events as sentences that operators read. */
import { isoTime } from '../../clock.ts';
import type { Conflict, Event, Peer, ResponseInfo } from '../../events.ts';
import { listed as listedUpTo, shortened } from '../../printable.ts';
import { MAX_NODE_LENGTH } from '../audit/audit.ts';

const SERVED = {
  svid_received: 'received',
  svid_rotated: 'rotated',
  svid_chain_changed: 'received other intermediates for',
} as const;
const MEANWHILE = {
  nothing: 'nothing is served for it',
  itself: 'it is served nevertheless, and peers with the same clock refuse it',
  'the one before': 'the certificate before it is served',
} as const;

const ADMIN_PARTS = { api: 'admin API', probes: 'listener for probes' } as const;

/** Names in one sentence: a peer may ask for a thousand. */
export const MAX_LISTED = 20;
/** Characters of all these names together. */
const MAX_LISTED_LENGTH = 1_024;

const HTTP2_OPTIONS = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const HTTP2_CLUSTER = `typed_extension_protocol_options: { ${HTTP2_OPTIONS}: { "@type": type.googleapis.com/${HTTP2_OPTIONS}, explicit_http_config: { http2_protocol_options: {} } } }`;

/** In node mode with whose event it is; of several Workload APIs with the one that it is about. */
export function sentence(event: Event): string {
  const { workload, source } = event;
  if (workload !== undefined) return `${itself(event)} (workload of uid ${workload.uid}, pid ${workload.pid})`;
  return source === undefined || 'address' in event ? itself(event) : `${itself(event)} (from ${source})`;
}

function itself(event: Event): string {
  switch (event.type) {
    case 'listening':
      return `serving SDS on ${event.address}`;
    case 'socket_lost':
      return `nobody can connect to ${event.address} any more: ${event.reason}`;
    case 'socket_restored':
      return `the socket is back: serving SDS on ${event.address}`;
    case 'socket_unprotected':
      return `every user may write to ${event.folder}, and so replace the socket ${event.address}: remove that right (chmod o-w), or make the folder sticky (chmod +t); in a pod, mount the volume with readOnly: true in Envoy's container, which can still connect`;
    case 'draining':
      return `stopping: ending ${event.streams} streams`;
    case 'stopped':
      return 'stopped';
    case 'admin_listening':
      return `the ${ADMIN_PARTS[event.part]} is at ${event.address}`;
    case 'admin_failed':
      return `cannot open the ${ADMIN_PARTS[event.part]} at ${event.address}, the sidecar goes on without it: ${event.reason}`;
    case 'workload_api_connected':
      return event.workload === undefined
        ? `connected to the Workload API at ${event.address}`
        : `the broker at ${event.address} says what a workload may have`;
    case 'workload_api_lost':
      return `${event.meaning} (${event.address}: ${event.code}: ${event.details})${event.retryInMs === undefined ? '; it is not tried again: fix that, then restart the sidecar' : ''}`;
    case 'workload_apis':
      return membersSentence(event);
    case 'workload_api_conflict':
      return `two Workload APIs give ${conflicting(event)} differently: the one of ${event.used} is used, that of ${event.left} is not; give it in one of them, or change their order in workload_api`;
    case 'workload_api_conflict_over':
      return `${conflicting(event)} is not given differently by ${event.left} any more`;
    case 'context_received':
      return event.workload !== undefined && event.svids === 0
        ? 'the broker has no identity for this process yet: is there a registration entry whose selectors match it?'
        : `the Workload API sent ${event.svids} SVIDs and ${event.bundles} bundles`;
    case 'context_discarded':
      return `discarded a message of the Workload API, the one before stays in use: ${event.reason}`;
    case 'message_received':
      return `received message ${event.message} of ${event.method}`;
    case 'bundles_received':
      return `the Workload API sent ${event.bundles} bundles`;
    case 'message_handled':
      return `handled message ${event.message}`;
    case 'svid_received':
    case 'svid_rotated':
    case 'svid_chain_changed':
      return `${SERVED[event.type]} ${event.id}, serial ${event.serial}${event.warning === undefined ? '' : `: ${event.warning}`}`;
    case 'svid_withdrawn':
      return `withdrew ${event.id}: ${event.reason}`;
    case 'bundle_updated':
      return `bundle of ${event.trustDomain} has ${event.authorities === 1 ? '1 authority' : `${event.authorities} authorities`}${event.warning === undefined ? '' : `: ${event.warning}`}`;
    case 'bundle_withdrawn':
      return `withdrew the bundle of ${event.trustDomain}: ${event.reason}`;
    case 'certificate_left_out':
      return `left out the certificate ${event.subject} of ${event.of}: ${event.reason}`;
    case 'bundle_left_out':
      return `left out the bundle of ${event.trustDomain}: ${event.reason}`;
    case 'crl_left_out':
      return `left out a CRL${event.trustDomain === undefined ? '' : ` of ${event.trustDomain}: its revoked peers are accepted`}: ${event.reason}`;
    case 'svid_not_yet_valid':
      return `${event.id}, serial ${event.serial}, is not valid before ${isoTime(event.from)}, ${Math.ceil(event.inMs / 1000)} s from now by this machine's clock: is the clock right? Until then ${MEANWHILE[event.meanwhile]}`;
    case 'svid_valid':
      return `${event.id}, serial ${event.serial}, is valid by this machine's clock, and is served again`;
    case 'svid_expiring':
      return `${event.id} was not rotated in time, it expires at ${isoTime(event.notAfter)}: check the Workload API`;
    case 'svid_expired':
      return `${event.id} has expired at ${isoTime(event.notAfter)}: not served to new subscribers, Envoys that have it keep it`;
    case 'trust_domain_left_out':
      return `the Envoy ${event.node} refuses the bundle of ${event.trustDomain}: until that bundle changes, it gets validation contexts without it, and accepts no peers of that trust domain`;
    case 'trust_domain_distrusted':
      return `${event.trustDomain} is not trusted any more: Envoys get a validation context that accepts none of its peers`;
    case 'token_received':
    case 'token_rotated':
      return `${event.type === 'token_received' ? 'received' : 'rotated'} the token of ${event.id} for ${listed(event.audience)}, good until ${isoTime(event.notAfter)}`;
    case 'token_withdrawn':
      return `withdrew the token of ${event.id} for ${listed(event.audience)}, Envoys that have it keep it: ${event.reason}`;
    case 'token_failed':
      return `no new token of ${event.id} for ${listed(event.audience)}: ${event.reason}${event.retried ? '' : '; it is not asked for again: fix that, then restart the sidecar or change its configuration'}`;
    case 'jwt_bundle_updated':
      return `the JWT bundle of ${event.trustDomain} has ${event.keys} keys`;
    case 'jwt_bundle_withdrawn':
      return `withdrew the JWT bundle of ${event.trustDomain}: ${event.reason}`;
    case 'jwt_bundle_left_out':
      return `left out the JWT bundle of ${event.trustDomain}: ${event.reason}`;
    case 'jwt_key_left_out':
      return `left out the key ${event.key} of the JWT bundle of ${event.trustDomain}: ${event.reason}`;
    case 'jwt_bundles_refused':
      return `no JWT bundles: ${event.meaning} (${event.code}: ${event.details})${event.retried ? '' : '; it is not tried again: fix that, then restart the sidecar'}`;
    case 'jwks_listening':
      return `the JWT bundles are at ${event.address}`;
    case 'jwks_failed':
      return `cannot serve JWT bundles at ${event.address}, the sidecar goes on without that: ${event.reason}`;
    case 'configuration_reloaded':
      return `applied the changed configuration: ${event.changed.join(', ') || 'nothing changed'}${event.needRestart.length === 0 ? '' : `; only after a restart: ${event.needRestart.join(', ')}`}`;
    case 'configuration_rejected':
      return `the changed configuration is not used, the one before stays in force: ${event.reason}`;
    case 'secrets_updated':
      return `update ${event.update}: there are ${event.names} names`;
    case 'secret_encoded':
      return `encoded ${event.name}@${event.version}, ${event.bytes} bytes`;
    case 'update_settled':
      return `update ${event.update}: every stream that it concerned has answered`;
    case 'connection_opened':
      return `connection ${event.peer.connection} opened${peerText(event.peer)}`;
    case 'connection_closed':
      return `connection ${event.peer.connection} closed${peerText(event.peer)}`;
    case 'stream_opened':
      return `stream ${event.stream} opened`;
    case 'stream_subscribed':
      return `stream ${event.stream} of node ${quoted(event.node)} asks for ${event.subscription === 'names' ? listed(event.names) : event.subscription}`;
    case 'stream_closed':
      return `stream ${event.stream} closed: ${event.reason}`;
    case 'names_held':
      return heldSentence(event);
    case 'type_ignored':
      return `node ${quoted(event.node)} asks for ${quoted(event.typeUrl)} on an aggregated stream: only secrets are served here`;
    case 'secrets_pushed':
      return `sent ${contentOf(event)} on stream ${event.stream}`;
    case 'secrets_accepted':
      return `node ${quoted(event.node)} accepted ${contentOf(event)}`;
    case 'secrets_rejected':
      return `node ${quoted(event.node)} rejected ${contentOf(event)}: ${event.reason}`;
    case 'secrets_fetched':
      return `node ${quoted(event.node)} fetched ${event.secrets.map(({ name, version }) => `${name}@${version}`).join(', ')}`;
    case 'bundle_rollout':
      return `CA roll: the new certificates wait until ${event.waiting} streams have accepted the new bundle`;
    case 'bundle_rolled_out':
      return `CA roll: the new certificates are sent${event.late === 0 ? '' : `, although ${event.late} streams have not answered in time`}`;
    case 'peer_processes_by_pid':
      return 'this kernel is older than Linux 6.5: a peer is the process that has its pid when it connects (node.allow_without_pidfd)';
    case 'peer_credentials_unavailable':
      return `peers are known by the numbers of their connections only, not by uid, gid and pid: ${event.reason}`;
    case 'workload_begun':
      return 'a process has made its first call: the broker is asked what it may have';
    case 'workload_ended':
      return `all that a process had is dropped: ${event.reason}`;
    case 'workload_refused':
      return `ended a call on connection ${event.peer.connection}${peerText(event.peer)}: ${event.details}`;
    case 'process_open':
      return `other processes of this user can look into this one, and at its keys: ${event.reason}`;
    case 'telemetry_failed':
    case 'audit_failed':
      return event.reason;
    case 'telemetry_recovered':
      return `telemetry reaches ${event.about} again`;
    case 'audit_recovered':
      return 'audit lines are written again (log.audit)';
    case 'audit_dropped':
      return `lost ${event.lines} audit lines: the target of log.audit does not take them fast enough`;
    case 'audit_omitted':
      return `left out ${event.lines} audit lines about a peer${peerText(event.peer)}: it caused too many`;
    case 'connection_refused':
      return `refused a connection${peerText(event.peer)}: there are ${event.limit} already (sds.limits.connections)`;
    case 'connection_not_http2':
      return `a peer${peerText(event.peer)} does not speak HTTP/2 on the SDS socket: in Envoy, give its cluster ${HTTP2_CLUSTER}`;
    case 'connection_broken':
      return `closed connection ${event.peer.connection}${peerText(event.peer)}: ${event.reason}`;
    case 'request_malformed':
      return `refused a call of ${event.call}${peerText(event.peer)}: ${event.details}`;
    case 'access_denied':
      return `no secrets for a peer${peerText(event.peer)}${event.node === '' ? '' : `, node ${quoted(event.node)}`}: ${event.reason} (sds.allow)`;
    case 'stream_denied':
      return `ended stream ${event.stream} of node ${quoted(event.node)}${peerText(event.peer)}: ${event.details}`;
  }
}

/** An existing name is held when its secret cannot be expressed in the form that this Envoy gets. */
function membersSentence({ addresses, leaving }: Event & { readonly type: 'workload_apis' }): string {
  const members = `${addresses.length === 1 ? 'the Workload API is' : 'the Workload APIs are'} ${addresses.join(', ')}`;
  if (leaving.length === 0) return members;
  return `${members}; ${leaving.join(', ')} ${leaving.length === 1 ? 'is' : 'are'} asked until ${addresses.length === 1 ? 'it has' : 'all of these have'} answered`;
}

function conflicting({ of, name }: Conflict): string {
  return of === 'svid' ? name : `the bundle of ${name}`;
}

function heldSentence({ names, available, otherKind = [], notGiven, node }: Event & { readonly type: 'names_held' }): string {
  const withheld = notGiven?.names ?? [];
  const inexpressible = names.filter((name) => available.includes(name) && !otherKind.includes(name));
  const unknown = names.filter((name) => !available.includes(name) && !withheld.includes(name));
  const reasons = [
    ...(withheld.length === 0
      ? []
      : [`${listed(withheld)}: held, for ${notGiven?.rule || 'no rule of sds.allow'} does not give it`]),
    ...(otherKind.length === 0
      ? []
      : [
          `${listed(otherKind)}: held, because this name was sent as another kind of secret before: give the new secret another name, or restart the Envoy`,
        ]),
    ...(unknown.length === 0
      ? []
      : [`no secret named ${listed(unknown)}: held until there is one; existing names: ${listed(available) || 'none'}`]),
    ...(inexpressible.length === 0
      ? []
      : [
          `${listed(inexpressible)}: held, because one trusted_ca cannot keep several trust domains apart (validation.unsafe_merge allows it)`,
        ]),
  ];
  return `for node ${quoted(node)}: ${reasons.join('; ')}`;
}

function contentOf({ secrets, removed }: ResponseInfo): string {
  const sent = secrets.map(({ name, version }) => `${name}@${version}`);
  return listed([...sent, ...removed.map((name) => `${name} (removed)`)]);
}

function listed(names: readonly string[]): string {
  let length = 0;
  const tooLong = names.slice(0, MAX_LISTED).findIndex((name, i) => {
    length += name.length;
    return i > 0 && length > MAX_LISTED_LENGTH;
  });
  const shown = tooLong === -1 ? MAX_LISTED : tooLong;
  return listedUpTo(shown, names, (name) => shortened(name, MAX_LISTED_LENGTH));
}

function peerText({ credentials }: Peer): string {
  return credentials === undefined ? '' : ` of uid ${credentials.uid}, gid ${credentials.gid}, pid ${credentials.pid}`;
}

function quoted(node: string): string {
  return JSON.stringify(shortened(node, MAX_NODE_LENGTH));
}
