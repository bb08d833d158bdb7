/** Which names there are, and what each stands for: SPIFFE IDs by themselves, the rest as the operator says. */
import type { TokenRequest } from '../spiffe/jwt/jwt-token.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts';
import type { ValidationForm } from './secret.ts';

/** A matcher of URI SANs. Several are alternatives. */
export type UriMatcher =
  | { readonly exact: string }
  | { readonly prefix: string }
  | { readonly suffix: string }
  | { readonly regex: string };

/** Which SVID: by its SPIFFE ID, or the first with that hint. */
export type SvidChoice = { readonly spiffe_id: SpiffeId } | { readonly hint: string };

export interface ValidationPolicy {
  /** Absent: all. */
  readonly trust_domains?: readonly TrustDomain[] | undefined;
  /** Absent: as `validation.mode`, or as the Envoy asks. */
  readonly mode?: Exclude<ValidationForm, 'legacy'> | undefined;
  /** They widen the matchers that stand in Envoy's own configuration beside the secret. */
  readonly match: readonly UriMatcher[];
}

/** How a token stands in a secret: as the value of an Authorization header, or by itself. */
export type TokenFormat = 'bearer' | 'raw';

export interface TokenPolicy extends TokenRequest {
  readonly format: TokenFormat;
}

export type NamedSecret = { readonly name: string } & (
  | { readonly svid: SvidChoice }
  | { readonly validation: ValidationPolicy }
  | { readonly jwt_svid: TokenPolicy }
);

export interface Naming {
  /** For the first SVID, the bundle of its trust domain, and all bundles; "" for none. */
  readonly default_svid: string;
  readonly default_bundle: string;
  readonly default_all_bundles: string;
  /** Every name is served with each of these before it, too. */
  readonly prefixes: readonly string[];
  readonly secrets: readonly NamedSecret[];
  /** Audiences for which the default identity's token is served under `jwt:AUDIENCE`. */
  readonly jwt_audiences: readonly string[];
  /** Whether CRLs are sent. */
  readonly crl: boolean;
  /** Several trust domains may go into one trusted_ca, although each can then mint the identities of the others. */
  readonly unsafe_merge: boolean;
}
