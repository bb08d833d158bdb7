/**
 * The vocabulary of what happens. Code that does something emits an event; logs, metrics, traces and audit listen. No event carries a
 * key or a token.
 */
import type { SpiffeId, TrustDomain } from './spiffe/spiffe-id.ts';

/** Who is at the other end of a connection, as the kernel knows it (SO_PEERCRED): at the time when it connected. */
export interface PeerCredentials {
  readonly uid: number;
  readonly gid: number;
  /** 0 when the process is in a pid namespace that is not visible from here, such as that of another container. */
  readonly pid: number;
}

/** Which part of the admin API listens: all of it, or the probes that everybody may ask. */
export type AdminPart = 'api' | 'probes';

/** The other end of one connection. */
export interface Peer {
  /** Unique in this process. */
  readonly connection: number;
  /** Absent when not known yet, or not available. */
  readonly credentials?: PeerCredentials | undefined;
  /** Its supplementary groups (SO_PEERGROUPS), at the time when it connected. */
  readonly groups?: readonly number[] | undefined;
}

/** In node mode: one process that has secrets of its own. */
export interface WorkloadInfo {
  /** Unique in this process: a pid is used again. */
  readonly number: number;
  readonly pid: number;
  readonly uid: number;
}

/** One SDS stream, for as long as it lives. */
export interface StreamInfo {
  /** Unique in this process. */
  readonly stream: number;
  readonly method: 'sotw' | 'delta';
  readonly peer: Peer;
  /** The Envoy's node.id; empty until its first request, or when it sent none. */
  readonly node: string;
}

/** Which of Envoy's kinds of secret it is (extensions.transport_sockets.tls.v3.Secret). */
export const SECRET_KINDS = ['tls_certificate', 'validation_context', 'generic_secret'] as const;
export type SecretKind = (typeof SECRET_KINDS)[number];

/** A version of a named secret. */
export interface SecretVersion {
  readonly name: string;
  readonly kind: SecretKind;
  readonly version: string;
}

export interface ResponseInfo {
  readonly nonce: string;
  readonly secrets: readonly SecretVersion[];
  /** Names that a delta response removes. */
  readonly removed: readonly string[];
  /** The number of the newest update of the secrets when it was sent. */
  readonly update: number;
  /** Whether that update caused the response, or a request. */
  readonly because: 'update' | 'request';
}

/** Of an answer: milliseconds since its response was sent. */
export interface AnswerTime {
  readonly afterMs: number;
}

/** Why a new set of secrets was made. */
export type UpdateCause = 'workload_api' | 'configuration' | 'time';

/** An SVID that is served from now on. */
export interface SvidEvent {
  /** The first of its SPIFFE ID, another certificate, or the same certificate with other intermediates or another end of its path. */
  readonly type: 'svid_received' | 'svid_rotated' | 'svid_chain_changed';
  readonly id: SpiffeId;
  readonly hint: string;
  readonly serial: string;
  /** Milliseconds since the epoch: the end of the path from it to an authority. */
  readonly notAfter: number;
  readonly warning?: string;
}

export type WorkloadApiMethod = 'FetchX509SVID' | 'FetchX509Bundles' | 'FetchJWTSVID';

/** A JWT-SVID that is served from now on: the first of its identity and audience, or the one after. */
export interface TokenEvent {
  readonly type: 'token_received' | 'token_rotated';
  readonly message: number;
  readonly id: SpiffeId;
  readonly audience: readonly string[];
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

/**
 * What exceeded its limit; or `malformed`: a request that does not parse; or `access`: what `sds.allow` does not give; or `process`: it cannot
 * be told whose call it is.
 */
export type DenialReason = 'access' | 'connections' | 'process' | 'workloads' | StreamDenialReason;
/** Of a stream. */
export type StreamDenialReason = 'names' | 'malformed' | 'requests';

/** Of what two Workload APIs give, and give differently: the first of them is used. */
export interface Conflict {
  /** An SVID by its SPIFFE ID, or a bundle by the name of its trust domain. */
  readonly of: 'svid' | 'bundle';
  readonly name: string;
  /** The address of the Workload API whose own is used. */
  readonly used: string;
  /** The one whose own is left out. */
  readonly left: string;
}

/**
 * `workload`: whose event it is, in node mode; absent: of spiffe-sds itself. `source`: the address of the Workload API that it is about, where
 * there are several.
 */
export type Event = Happening & { readonly workload?: WorkloadInfo; readonly source?: string };

type Happening =
  | { readonly type: 'listening'; readonly address: string; readonly mode: string }
  /** Nobody can connect by the path of the socket any more. It is put back as soon as possible. */
  | { readonly type: 'socket_lost'; readonly address: string; readonly reason: string }
  | { readonly type: 'socket_restored'; readonly address: string }
  /** Every user may write to the folder of the socket, and so replace it. */
  | { readonly type: 'socket_unprotected'; readonly address: string; readonly folder: string }
  | { readonly type: 'draining'; readonly streams: number }
  | { readonly type: 'stopped' }
  // Admin API
  | { readonly type: 'admin_listening'; readonly part: AdminPart; readonly address: string }
  /** The sidecar goes on without it. Emitted once for each reason; it is tried again. */
  | { readonly type: 'admin_failed'; readonly part: AdminPart; readonly address: string; readonly reason: string }
  // Workload API
  /** The first message of a stream is here, so many milliseconds after it was opened. */
  | { readonly type: 'workload_api_connected'; readonly address: string; readonly afterMs: number }
  | {
      readonly type: 'workload_api_lost';
      readonly address: string;
      readonly code: string;
      readonly details: string;
      readonly meaning: string;
      readonly failures: number;
      /** Absent: it is not tried again. */
      readonly retryInMs?: number;
    }
  /** There are several Workload APIs, or there were; `leaving`: asked until the new ones have answered, and not configured any more. */
  | { readonly type: 'workload_apis'; readonly addresses: readonly string[]; readonly leaving: readonly string[] }
  | ({ readonly type: 'workload_api_conflict' | 'workload_api_conflict_over' } & Conflict)
  /** Its number is unique in this process. The events of what it changes come between this and `message_handled`, and no others. */
  | { readonly type: 'message_received'; readonly message: number; readonly method: WorkloadApiMethod }
  | { readonly type: 'context_received'; readonly message: number; readonly svids: number; readonly bundles: number }
  | { readonly type: 'context_discarded'; readonly message: number; readonly code: string; readonly reason: string }
  | { readonly type: 'bundles_received'; readonly message: number; readonly bundles: number }
  | { readonly type: 'message_handled'; readonly message: number }
  | SvidEvent
  | { readonly type: 'svid_withdrawn'; readonly id: SpiffeId; readonly reason: string }
  | {
      readonly type: 'bundle_updated';
      readonly trustDomain: TrustDomain;
      readonly authorities: number;
      /** Milliseconds since the epoch: when the last of its authorities expires. */
      readonly notAfter: number;
      /** Something that Envoy accepts, but cannot verify any peer with. */
      readonly warning?: string;
    }
  | { readonly type: 'bundle_withdrawn'; readonly trustDomain: TrustDomain; readonly reason: string }
  /** One certificate of a bundle or of an SVID's chain. `of`: the SPIFFE ID of the trust domain, or of the SVID. */
  | { readonly type: 'certificate_left_out'; readonly of: string; readonly subject: string; readonly reason: string }
  | { readonly type: 'bundle_left_out'; readonly trustDomain: string; readonly reason: string }
  /** Without a trust domain when it is not known whose CRL it is. */
  | { readonly type: 'crl_left_out'; readonly trustDomain?: string; readonly reason: string }
  /** By this machine's clock it is not valid yet: `from`, milliseconds since the epoch, is `inMs` away. `meanwhile`: what is served until then. */
  | {
      readonly type: 'svid_not_yet_valid';
      readonly id: SpiffeId;
      readonly serial: string;
      readonly from: number;
      readonly inMs: number;
      readonly meanwhile: 'nothing' | 'itself' | 'the one before';
    }
  /** It is served again: by a wrong clock, which was corrected, it was expired or not valid yet. */
  | { readonly type: 'svid_valid'; readonly id: SpiffeId; readonly serial: string }
  /** It was not rotated in time. */
  | { readonly type: 'svid_expiring' | 'svid_expired'; readonly id: SpiffeId; readonly serial: string; readonly notAfter: number }
  /** From now on Envoys get a context that trusts nobody in its place. */
  | { readonly type: 'trust_domain_distrusted'; readonly trustDomain: TrustDomain }
  // JWT-SVIDs
  | TokenEvent
  /** It is not served any more; an Envoy that has it keeps it until it expires. */
  | { readonly type: 'token_withdrawn'; readonly id: SpiffeId; readonly audience: readonly string[]; readonly reason: string }
  /** There is no new token; the one before is served until it expires. Emitted once for each reason. */
  | {
      readonly type: 'token_failed';
      readonly id: SpiffeId;
      readonly audience: readonly string[];
      /** A gRPC status, or INVALID: what came cannot be used. */
      readonly code: string;
      readonly reason: string;
      readonly retried: boolean;
    }
  | { readonly type: 'jwt_bundle_updated'; readonly trustDomain: TrustDomain; readonly keys: number }
  | { readonly type: 'jwt_bundle_withdrawn'; readonly trustDomain: TrustDomain; readonly reason: string }
  | { readonly type: 'jwt_bundle_left_out'; readonly trustDomain: string; readonly reason: string }
  /** `key`: its kid, or its place in the bundle. */
  | { readonly type: 'jwt_key_left_out'; readonly trustDomain: TrustDomain; readonly key: string; readonly reason: string }
  /** Connection problems have no event here: they concern the X.509 stream as well. */
  | {
      readonly type: 'jwt_bundles_refused';
      readonly code: string;
      readonly details: string;
      readonly meaning: string;
      readonly retried: boolean;
    }
  | { readonly type: 'jwks_listening'; readonly address: string }
  /** The sidecar goes on without it. Emitted once for each reason; it is tried again. */
  | { readonly type: 'jwks_failed'; readonly address: string; readonly reason: string }
  // Configuration
  | { readonly type: 'configuration_reloaded'; readonly changed: readonly string[]; readonly needRestart: readonly string[] }
  | { readonly type: 'configuration_rejected'; readonly reason: string }
  // Secrets
  | { readonly type: 'secrets_updated'; readonly update: number; readonly cause: UpdateCause; readonly names: number }
  /** It was asked for the first time since it changed. */
  | ({ readonly type: 'secret_encoded'; readonly bytes: number } & SecretVersion)
  /** Every stream that it concerns has answered, or is closed. Not emitted for an update that a newer one overtook. */
  | { readonly type: 'update_settled'; readonly update: number }
  // SDS
  | { readonly type: 'connection_opened' | 'connection_closed'; readonly peer: Peer }
  /** `traceparent`: of the caller's own trace (W3C Trace Context), as it came. */
  | ({ readonly type: 'stream_opened'; readonly traceparent?: string } & StreamInfo)
  | ({
      readonly type: 'stream_subscribed';
      readonly subscription: 'none' | 'names' | 'everything';
      readonly names: readonly string[];
      /** The form of validation contexts on this stream. */
      readonly form: string;
    } & StreamInfo)
  | ({ readonly type: 'stream_closed'; readonly reason: string } & StreamInfo)
  | ({
      readonly type: 'names_held';
      readonly names: readonly string[];
      readonly available: readonly string[];
      /** Those of `names` that were sent before, and stand for another kind of secret now. */
      readonly otherKind?: readonly string[];
      /** Those of `names` that there are, and that this rule of `sds.allow` does not give. */
      readonly notGiven?: { readonly rule: string; readonly names: readonly string[] };
    } & StreamInfo)
  /** On an aggregated stream: a type that is not served here. */
  | ({ readonly type: 'type_ignored'; readonly typeUrl: string } & StreamInfo)
  | ({ readonly type: 'secrets_pushed' } & ResponseInfo & StreamInfo)
  | ({ readonly type: 'secrets_accepted' } & AnswerTime & ResponseInfo & StreamInfo)
  | ({
      readonly type: 'secrets_rejected';
      /** Envoy's words, redacted. */
      readonly reason: string;
      readonly kind: RejectionKind;
    } & AnswerTime &
      ResponseInfo &
      StreamInfo)
  /** Its Envoy refuses the bundle of this trust domain as it is: contexts of several go to it without that one. */
  | ({ readonly type: 'trust_domain_left_out'; readonly trustDomain: string } & StreamInfo)
  /** FetchSecrets was answered. */
  | { readonly type: 'secrets_fetched'; readonly secrets: readonly SecretVersion[]; readonly node: string; readonly peer: Peer }
  /** A CA roll: certificates wait until this many streams have taken the new bundle. */
  | { readonly type: 'bundle_rollout'; readonly waiting: number }
  /** They go out now; `late` streams have not answered in time. */
  | { readonly type: 'bundle_rolled_out'; readonly late: number }
  /** Peers are known by the numbers of their connections only. */
  | { readonly type: 'peer_credentials_unavailable'; readonly reason: string }
  /** The kernel has no pidfd of a peer, and the configuration allows that. */
  | { readonly type: 'peer_processes_by_pid' }
  /** Others of the same user can look into this process. */
  | { readonly type: 'process_open'; readonly reason: string }
  /** The client does not speak HTTP/2, which gRPC needs. */
  | { readonly type: 'connection_not_http2'; readonly peer: Peer }
  | { readonly type: 'connection_refused'; readonly limit: number; readonly peer: Peer }
  /** It was closed, with all its streams, for what its peer sent. */
  | { readonly type: 'connection_broken'; readonly reason: string; readonly peer: Peer }
  /** A call that is no stream of requests was ended because its request does not parse. `call`: its path. */
  | { readonly type: 'request_malformed'; readonly call: string; readonly details: string; readonly peer: Peer }
  /** A stream was ended because its peer exceeds a limit, or sends a request that does not parse. */
  | ({
      readonly type: 'stream_denied';
      readonly reason: StreamDenialReason;
      readonly details: string;
    } & StreamInfo)
  /** A peer asked for secrets, and `sds.allow` gives it none. `rule`: the one that gives it nothing; absent: no rule is for it. */
  | {
      readonly type: 'access_denied';
      readonly peer: Peer;
      /** What it says that it is; empty: it was not asked. */
      readonly node: string;
      readonly rule?: string;
      readonly reason: string;
    }
  // Node mode
  /** A process has made its first call. */
  | { readonly type: 'workload_begun'; readonly workload: WorkloadInfo }
  /** All that it had is dropped. */
  | { readonly type: 'workload_ended'; readonly workload: WorkloadInfo; readonly reason: string }
  /** A call was ended: its process cannot be held, or there are too many workloads. */
  | {
      readonly type: 'workload_refused';
      readonly reason: 'process' | 'workloads';
      readonly details: string;
      readonly peer: Peer;
    }
  // Log, audit and telemetry
  /**
   * Metrics, traces or log records do not go where they should. `about` is what does not work, until `telemetry_recovered` names it; absent: it
   * happened once.
   */
  | { readonly type: 'telemetry_failed'; readonly reason: string; readonly about?: string }
  | { readonly type: 'telemetry_recovered'; readonly about: string }
  /** Lines cannot be written where they should go. They are tried again. */
  | { readonly type: 'audit_failed'; readonly reason: string }
  /** All lines that waited are written, after `audit_failed` or `audit_dropped`. */
  | { readonly type: 'audit_recovered' }
  /** How many lines were lost since the last event: the target did not take them in time. */
  | { readonly type: 'audit_dropped'; readonly lines: number }
  /** How many lines about this peer were left out since the last event: it caused too many. */
  | { readonly type: 'audit_omitted'; readonly lines: number; readonly peer: Peer };

/** What a NACK complains of, as far as Envoy's words tell. */
export type RejectionKind = 'certificate' | 'private_key' | 'trusted_ca' | 'crl' | 'malformed' | 'other';

/** Gets every event, in order, when it happens. It must be quick and must not throw. */
export type EventListener = (event: Event) => void;
