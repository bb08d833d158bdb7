/** What a bootstrap is made from. */
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts';

export const SDS_CLUSTER = 'spiffe_sds';
export const HTTP_MANAGER =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
export const HTTP2_OPTIONS = {
  '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
  explicit_http_config: { http2_protocol_options: {} },
};

export interface BootstrapOptions {
  /** `node.id` and `node.cluster`. */
  readonly node: string;
  readonly sdsSocket: string;
  readonly adminPort: number;
  readonly delta: boolean;
  readonly ads: boolean;
  /** The secret that is shown to peers. */
  readonly svid: string;
  /** The secret that peers are verified with. */
  readonly bundle: string;
  /** Beginnings of the SPIFFE IDs that may connect. */
  readonly peers: readonly string[];
  readonly server?: { readonly port: number };
  readonly client?: ClientOptions;
  /** Who may call what is served, by RBAC. Empty: whoever may connect. */
  readonly callers: readonly SpiffeId[];
  /** Callers need a token, too: of one of these trust domains. */
  readonly jwt?: { readonly trustDomains: readonly TrustDomain[]; readonly audience: string; readonly jwksSocket: string };
}

export interface ClientOptions {
  readonly port: number;
  readonly host: string;
  readonly upstreamPort: number;
  readonly serverId: SpiffeId;
  /** The secret with the token that it shows. Absent: it shows none. */
  readonly token?: string;
}
