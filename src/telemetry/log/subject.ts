/** What a log line is about, so that repeats are recognised. */
import type { Event } from '../../events.ts';

export interface Subject {
  readonly kind: string;
  /** Lines of a kind with the same are alike. Neither a pid nor the number of a stream makes it another. */
  readonly about: string;
}

/**
 * Undefined for events that nobody outside can repeat at will, and for those that are logged at a low level only.
 * @param message the event as a sentence
 */
export function subjectOf(event: Event, message: string): Subject | undefined {
  switch (event.type) {
    case 'workload_refused':
      return { kind: event.type, about: JSON.stringify([event.peer.credentials?.uid, event.reason]) };
    case 'audit_omitted':
    case 'connection_refused':
    case 'connection_not_http2':
      return { kind: event.type, about: `${event.peer.credentials?.uid}` };
    case 'connection_broken':
      return { kind: event.type, about: JSON.stringify([event.peer.credentials?.uid, event.reason]) };
    case 'access_denied':
      return {
        kind: event.type,
        about: JSON.stringify([event.peer.credentials?.uid, event.peer.credentials?.gid, event.reason]),
      };
    case 'request_malformed':
      return { kind: event.type, about: JSON.stringify([event.call, event.peer.credentials?.uid]) };
    case 'stream_denied':
      return { kind: event.type, about: JSON.stringify([event.node, event.peer.credentials?.uid, event.reason]) };
    // Opening and closing belong together: each is logged, in order.
    case 'socket_lost':
    case 'socket_restored':
      return { kind: 'socket', about: message };
    case 'admin_listening':
    case 'admin_failed':
      return { kind: 'admin', about: message };
    // Whoever starts processes makes these happen.
    case 'workload_begun':
    case 'workload_ended':
      return { kind: event.type, about: `${event.workload.uid}` };
    case 'context_received':
      return event.workload === undefined ? undefined : { kind: `no entry for uid ${event.workload.uid}`, about: message };
    case 'workload_api_connected':
    case 'workload_api_lost':
      return {
        kind: event.workload === undefined ? `workload_api ${event.source ?? ''}` : `broker for uid ${event.workload.uid}`,
        about: message,
      };
    // Two Workload APIs that roll their CAs at other times make these happen.
    case 'workload_api_conflict':
    case 'workload_api_conflict_over':
      return { kind: 'conflict', about: message };
    case 'jwks_listening':
    case 'jwks_failed':
      return { kind: 'jwks', about: message };
    case 'token_failed':
    case 'jwt_bundle_left_out':
    case 'jwt_key_left_out':
    case 'jwt_bundles_refused':
    case 'context_discarded':
    case 'certificate_left_out':
    case 'bundle_left_out':
    case 'crl_left_out':
    case 'configuration_rejected':
    case 'names_held':
    case 'type_ignored':
    case 'secrets_rejected':
      return { kind: event.type, about: message };
    default:
      return undefined;
  }
}
