/** The names of secrets and what each stands for. A SPIFFE ID names its own secret; the configuration defines the other names. */
import type { TokenRequest } from '../spiffe/jwt/jwt-token.ts';
import type { SpiffeId, TrustDomain } from '../spiffe/spiffe-id.ts';
import type { ValidationForm } from './secret.ts';

/** Matches a URI SAN of a peer. In a list, one match is enough. */
export type UriMatcher =
  | { readonly exact: string }
  | { readonly prefix: string }
  | { readonly suffix: string }
  | { readonly regex: string };

/** Selects one SVID: the one with this SPIFFE ID, or the first one with this hint. */
export type SvidChoice = { readonly spiffe_id: SpiffeId } | { readonly hint: string };

/** Which peers a validation context accepts. */
export interface ValidationPolicy {
  /** Default: all trust domains. */
  readonly trust_domains?: readonly TrustDomain[] | undefined;
  /** Default: the form that the Envoy asks for, else `validation.mode`. */
  readonly mode?: Exclude<ValidationForm, 'legacy'> | undefined;
  /** Envoy accepts a peer that matches one of these or one of the matchers in its own configuration. */
  readonly match: readonly UriMatcher[];
}

export type TokenFormat =
  /** The value of an Authorization header: `Bearer TOKEN`. */
  | 'bearer'
  /** The token alone. */
  | 'raw';

/** Which token a name stands for, and in which format. */
export interface TokenPolicy extends TokenRequest {
  readonly format: TokenFormat;
}

/** One entry of `secrets:` in the configuration. */
export type NamedSecret = { readonly name: string } & (
  | { readonly svid: SvidChoice }
  | { readonly validation: ValidationPolicy }
  | { readonly jwt_svid: TokenPolicy }
);

/** All that decides which names exist and what they contain. */
export interface Naming {
  /** The name of the first SVID; "" for no such name. */
  readonly default_svid: string;
  /** The name of the bundle of the first SVID's trust domain; "" for no such name. */
  readonly default_bundle: string;
  /** The name of the validation context with all bundles; "" for no such name. */
  readonly default_all_bundles: string;
  /** Every name is also served with each of these prefixes. */
  readonly prefixes: readonly string[];
  readonly secrets: readonly NamedSecret[];
  /** For each of these audiences, the default identity's token is served under the name `jwt:AUDIENCE`. */
  readonly jwt_audiences: readonly string[];
  /** Whether Envoy gets CRLs. */
  readonly crl: boolean;
  /** Allows several trust domains in one trusted_ca. Unsafe: each trust domain can then issue identities of the others. */
  readonly unsafe_merge: boolean;
}
