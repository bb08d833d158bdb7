/** Who may call, decided by Envoy: RBAC by SPIFFE ID, and tokens. */
import type { BootstrapOptions } from './options.ts';

const JWKS_CLUSTER = 'spiffe_jwks';

/** They stand before the router. */
export function serverFilters({ callers, jwt }: BootstrapOptions): readonly object[] {
  return [...(callers.length === 0 ? [] : [rbac(callers)]), ...(jwt === undefined ? [] : [jwtAuthentication(jwt)])];
}

/** Where the keys of tokens are: the socket that `jwks.listen` names. */
export function jwtCluster({ jwksSocket }: NonNullable<BootstrapOptions['jwt']>): object {
  return {
    name: JWKS_CLUSTER,
    type: 'STATIC',
    connect_timeout: '1s',
    load_assignment: {
      cluster_name: JWKS_CLUSTER,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: jwksSocket } } } }] }],
    },
  };
}

function rbac(callers: BootstrapOptions['callers']): object {
  return {
    name: 'envoy.filters.http.rbac',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC',
      rules: {
        action: 'ALLOW',
        policies: {
          callers: {
            principals: callers.map((exact) => ({ authenticated: { principal_name: { exact } } })),
            permissions: [{ any: true }],
          },
        },
      },
    },
  };
}

function jwtAuthentication({ trustDomain, audience }: NonNullable<BootstrapOptions['jwt']>): object {
  return {
    name: 'envoy.filters.http.jwt_authn',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication',
      providers: {
        [trustDomain]: {
          subjects: { prefix: `spiffe://${trustDomain}/` },
          audiences: [audience],
          require_expiration: true,
          clock_skew_seconds: 5,
          remote_jwks: {
            http_uri: { uri: `http://spiffe-jwks/v1/jwks/${trustDomain}`, cluster: JWKS_CLUSTER, timeout: '1s' },
            cache_duration: '5s',
          },
          forward: false,
          claim_to_headers: [{ header_name: 'x-spiffe-id', claim_name: 'sub' }],
        },
      },
      rules: [{ match: { prefix: '/' }, requires: { provider_name: trustDomain } }],
    },
  };
}
