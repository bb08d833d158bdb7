/** Adds JWT-SVIDs, under their own names, to a set of secrets. */
import { AUDIENCE_PREFIX, type Token, type TokenRequest, type TokenState, tokenKey } from '../spiffe/jwt/jwt-token.ts';
import type { Naming, TokenFormat } from './naming.ts';
import { createSecret, type Secret } from './secret.ts';
import type { NameDescription, SecretSet } from './secret-set.ts';

/** A name and the token that it stands for. */
export interface NamedToken extends TokenRequest {
  readonly name: string;
  readonly format: TokenFormat;
}

/** The source of tokens, as the secrets see it. */
export interface TokenView {
  get(request: TokenRequest): TokenState;
  /** Says that a client requested this token, so that the source fetches it and renews it. */
  want(request: TokenRequest): void;
}

/** All names of tokens: from `secrets:` and from `jwt_audiences`, each also with every prefix. */
export function namedTokens({ secrets, jwt_audiences, prefixes }: Naming): readonly NamedToken[] {
  const own = secrets.flatMap((secret) => ('jwt_svid' in secret ? [{ name: secret.name, ...secret.jwt_svid }] : []));
  const listed = jwt_audiences.map((audience) => ({
    name: `${AUDIENCE_PREFIX}${audience}`,
    audience: [audience],
    format: 'bearer' as const,
  }));
  const plain = [...own, ...listed];
  return [...plain, ...prefixes.flatMap((prefix) => plain.map((token) => ({ ...token, name: `${prefix}${token.name}` })))];
}

/** The token requests for these names, without duplicates. */
export function tokenRequests(named: readonly NamedToken[]): readonly TokenRequest[] {
  return [
    ...new Map(
      named.map(({ audience, spiffe_id, hint }) => {
        const request = { audience, spiffe_id, hint };
        return [tokenKey(request), request] as const;
      }),
    ).values(),
  ];
}

export interface TokenSetOptions {
  /** The current time in milliseconds since the epoch. A token that expires after the set was made is no longer served. */
  readonly now: () => number;
  /** Called for each secret that is encoded. */
  readonly onEncoded: (secret: Secret) => void;
}

/** The same set with the current tokens. A request for a token calls `view.want`, also when the token is not there yet. */
export function withTokens(set: SecretSet, named: readonly NamedToken[], view: TokenView, options: TokenSetOptions): SecretSet {
  if (named.length === 0) return set;
  const entries = new Map(named.map((token) => [token.name, new Entry(token, view, options)]));
  const there = [...entries].filter(([, { isThere, isPending }]) => isThere || isPending).map(([name]) => name);
  return {
    ...set,
    names: [...set.names, ...there],
    get: (name, form, without) => (entries.has(name) ? entries.get(name)?.ask() : set.get(name, form, without)),
    describe: (name) => entries.get(name)?.description ?? set.describe(name),
    pending: (name) => entries.get(name)?.isPending ?? set.pending(name),
  };
}

class Entry {
  readonly #named: NamedToken;
  readonly #view: TokenView;
  readonly #options: TokenSetOptions;
  readonly #token: Token | undefined;
  readonly isPending: boolean;
  #secret: Secret | undefined;

  constructor(named: NamedToken, view: TokenView, options: TokenSetOptions) {
    const { token, pending } = view.get(named);
    this.#named = named;
    this.#view = view;
    this.#options = options;
    this.#token = token;
    this.isPending = pending;
  }

  get isThere(): boolean {
    return this.#token !== undefined && this.#options.now() < this.#token.expiresAt;
  }

  get description(): NameDescription {
    const id = this.#token?.id;
    return { kind: 'generic_secret', ...(id && { id }), versions: this.#secret === undefined ? [] : [this.#secret.version] };
  }

  ask(): Secret | undefined {
    this.#view.want(this.#named);
    if (this.#token === undefined || !this.isThere) return undefined;
    if (this.#secret === undefined) {
      this.#secret = tokenSecret(this.#named, this.#token);
      this.#options.onEncoded(this.#secret);
    }
    return this.#secret;
  }
}

/** The text must not end with a newline: with one, Envoy before 1.40 refuses every request. */
function tokenSecret({ name, format }: NamedToken, { value }: Token): Secret {
  const text = format === 'bearer' ? `Bearer ${value}` : value;
  return createSecret(name, 'generic_secret', { generic_secret: { secret: { inline_bytes: Buffer.from(text) } } });
}
