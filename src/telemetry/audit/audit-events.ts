/** The vocabulary of the audit log: which events there are, and what a record of one has. */

/** When each is written. The names are stable; docs/audit.md is made from this. */
export const AUDIT_EVENTS = {
  'service.started': 'The SDS socket listens.',
  'service.stopped': 'The sidecar has stopped: all streams are ended.',
  'socket.lost': 'Nobody can connect to the SDS socket by its path any more. The sidecar puts it back as soon as it can.',
  'socket.restored': 'The SDS socket is there again.',
  'workload.authorized': 'The Workload API sent the first message of a stream: it has identities for the sidecar.',
  'workload.denied': 'The Workload API answered PERMISSION_DENIED: it has no identity for the sidecar.',
  'workload.begun': 'In node mode: a process has made its first call. The broker is asked what it may have.',
  'workload.ended': 'In node mode: a process has ended, or has had no connection for a minute. All that it had is dropped.',
  'message.discarded': 'A message of the Workload API does not verify. It is not used, and what came before stays.',
  'identity.received': 'The first SVID of a SPIFFE ID came, and is served.',
  'identity.rotated': 'Another certificate came for a SPIFFE ID, and is served.',
  'identity.renewed': 'The same certificate came with other intermediates, or its path to an authority ends at another time.',
  'identity.withdrawn': 'An SVID is not served any more.',
  'identity.expired': 'An SVID has expired. New subscribers do not get it.',
  'token.received': 'The first token of an identity for an audience came, and is served.',
  'token.rotated': 'A newer token came, and is served.',
  'token.withdrawn':
    'A token is not served any more: it has expired, its identity is another, or the Workload API has denied it.',
  'token.failed': 'The Workload API gave no token that can be used. What there was is served until it expires.',
  'jwt_bundle.updated': "The keys of a trust domain's tokens are new, or have changed.",
  'jwt_bundle.withdrawn': "The keys of a trust domain's tokens are not served any more.",
  'jwt_bundle.rejected': 'The Workload API sent a JWT bundle that cannot be used. It is left out.',
  'bundle.updated': "A trust domain's bundle is new, or has changed.",
  'bundle.withdrawn': "A trust domain's bundle is not served any more.",
  'bundle.rejected': 'The Workload API sent a bundle that cannot be used. It is left out.',
  'crl.rejected':
    'The Workload API sent a CRL that is left out: Envoy would refuse it, or refuse every peer by it. Without a trust domain: it is not known whose it is.',
  'certificate.rejected':
    'One certificate of a bundle or of a chain cannot be used. It is left out, the others are served. `spiffe_id` is that of the trust domain or of the SVID.',
  'trust_domain.distrusted': 'A trust domain that was served is gone. Envoys get a context that accepts none of its peers.',
  'trust_domain.left_out':
    'An Envoy rejected the bundle of a trust domain. It gets its contexts without that trust domain until the bundle changes.',
  'secret.delivered':
    'A secret was sent to an Envoy. One line for each secret of a response; `method` is `fetch` for FetchSecrets, which has no ACK.',
  'secret.removed': 'An Envoy got a response that removes a name. Only with delta.',
  'secret.accepted': 'An Envoy answered with an ACK. One line for each secret and each removed name of the response.',
  'secret.rejected':
    'An Envoy answered with a NACK. One line for each secret of the response. `reason` is what the Envoy says, without what it quotes; `kind` is what it complains of.',
  'peer.denied':
    'A connection, a call or a stream was ended, because its peer asks for too much, for what cannot be read, or for what `sds.allow` does not give; `rule` is the one that refused it.',
  'configuration.changed': 'A changed configuration is in force. `need_restart` names what is not.',
  'configuration.rejected': 'A changed configuration cannot be used. The one before it stays in force.',
  'audit.dropped': 'Lines are missing here: nobody took them in time.',
  'audit.omitted': 'Lines are missing here: a peer made more happen than is written.',
} as const;

export type AuditEventType = keyof typeof AUDIT_EVENTS;

export interface AuditRecord {
  /** RFC 3339, UTC, milliseconds. */
  readonly timestamp: string;
  readonly event_type: AuditEventType;
  /** Shared by records of the same peer, as is a resource by those of the same secret. */
  readonly actor: object;
  readonly resource: object;
  readonly action: string;
  readonly result: 'success' | 'failure' | 'denied';
  readonly metadata: Readonly<Record<string, unknown>>;
}
