/**
 * The vocabulary of what happens. Code that does something emits an event; logs, metrics, traces and audit listen. No event carries a
 * key or a token.
 */
import type { SpiffeId, TrustDomain } from './spiffe/spiffe-id.ts';

/** One SDS stream, for as long as it lives. */
export interface StreamInfo {
  /** Unique in this process. */
  readonly stream: number;
  readonly method: 'sotw' | 'delta';
  /** The Envoy's node.id; empty until its first request, or when it sent none. */
  readonly node: string;
}

/** A version of a named secret. */
export interface SecretVersion {
  readonly name: string;
  readonly version: string;
}

export interface ResponseInfo {
  readonly nonce: string;
  readonly secrets: readonly SecretVersion[];
  /** Names that a delta client was told are gone. */
  readonly removed: readonly string[];
}

export type Event =
  | { readonly type: 'listening'; readonly address: string; readonly mode: string }
  | { readonly type: 'draining'; readonly streams: number }
  | { readonly type: 'stopped' }
  // Workload API
  | { readonly type: 'workload_api_connected'; readonly address: string }
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
  | { readonly type: 'context_received'; readonly svids: number; readonly bundles: number }
  | { readonly type: 'context_discarded'; readonly code: string; readonly reason: string }
  | {
      readonly type: 'svid_received' | 'svid_rotated';
      readonly id: SpiffeId;
      readonly hint: string;
      readonly serial: string;
      /** Milliseconds since the epoch. */
      readonly notAfter: number;
      readonly warning?: string;
    }
  | { readonly type: 'svid_withdrawn'; readonly id: SpiffeId; readonly reason: string }
  | { readonly type: 'bundle_updated'; readonly trustDomain: TrustDomain; readonly authorities: number }
  | { readonly type: 'bundle_withdrawn'; readonly trustDomain: TrustDomain; readonly reason: string }
  | { readonly type: 'bundle_left_out'; readonly trustDomain: string; readonly reason: string }
  /** Absent trust domain: it could not be told whose it is. */
  | { readonly type: 'crl_left_out'; readonly trustDomain?: string; readonly reason: string }
  /** It was not rotated in time. */
  | { readonly type: 'svid_expiring' | 'svid_expired'; readonly id: SpiffeId; readonly serial: string; readonly notAfter: number }
  /** From now on Envoys get a context that trusts nobody in its place. */
  | { readonly type: 'trust_domain_distrusted'; readonly trustDomain: TrustDomain }
  // Configuration
  | { readonly type: 'configuration_reloaded'; readonly changed: readonly string[]; readonly needRestart: readonly string[] }
  | { readonly type: 'configuration_rejected'; readonly reason: string }
  // SDS
  | ({ readonly type: 'stream_opened' } & StreamInfo)
  | ({
      readonly type: 'stream_subscribed';
      readonly subscription: 'none' | 'names' | 'everything';
      readonly names: readonly string[];
      /** Of validation contexts on this stream. */
      readonly form: string;
    } & StreamInfo)
  | ({ readonly type: 'stream_closed'; readonly reason: string } & StreamInfo)
  | ({ readonly type: 'names_held'; readonly names: readonly string[]; readonly available: readonly string[] } & StreamInfo)
  /** On an aggregated stream: a type that is not served here. */
  | ({ readonly type: 'type_ignored'; readonly typeUrl: string } & StreamInfo)
  | ({ readonly type: 'secrets_pushed' } & ResponseInfo & StreamInfo)
  | ({ readonly type: 'secrets_accepted' } & ResponseInfo & StreamInfo)
  | ({
      readonly type: 'secrets_rejected';
      /** Envoy's words, redacted. */
      readonly reason: string;
    } & ResponseInfo &
      StreamInfo)
  /** A CA roll: certificates wait until this many streams have taken the new bundle. */
  | { readonly type: 'bundle_rollout'; readonly waiting: number }
  /** They go out now; `late` streams have not answered in time. */
  | { readonly type: 'bundle_rolled_out'; readonly late: number }
  | { readonly type: 'connection_refused'; readonly limit: number };

/** Hears of every event, in order, while it happens: it must be quick and must not throw. */
export type EventListener = (event: Event) => void;
