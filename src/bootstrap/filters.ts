/** Who may call, decided by Envoy: RBAC by SPIFFE ID, and tokens. */
import type { TrustDomain } from '../spiffe/spiffe-id.ts';
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

function jwtAuthentication({ trustDomains, audience }: NonNullable<BootstrapOptions['jwt']>): object {
  const requirements = trustDomains.map((trustDomain) => ({ provider_name: trustDomain }));
  return {
    name: 'envoy.filters.http.jwt_authn',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication',
      // One for each trust domain: the keys of one must say nothing of another.
      providers: Object.fromEntries(trustDomains.map((trustDomain) => [trustDomain, provider(trustDomain, audience)])),
      rules: [
        {
          match: { prefix: '/' },
          requires: requirements.length === 1 ? requirements[0] : { requires_any: { requirements } },
        },
      ],
    },
  };
}

function provider(trustDomain: TrustDomain, audience: string): object {
  return {
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
  };
}

/** Shows this secret, a token, in each request; without it the request is answered with 401. */
export function tokenInjector(name: string, sds_config: object): object {
  return {
    name: 'envoy.filters.http.credential_injector',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector',
      overwrite: true,
      credential: {
        name: 'envoy.http.injected_credentials.generic',
        typed_config: {
          '@type': 'type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic',
          credential: { name, sds_config },
        },
      },
    },
  };
}
