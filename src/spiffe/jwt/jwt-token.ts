/** Requests for JWT-SVIDs, and the fetched tokens. This file must not import `jose`, which is loaded with the first token. */
import type { SpiffeId } from '../spiffe-id.ts';
import type { X509Context } from '../x509-context.ts';

/** Which token: its subject (a SPIFFE ID or a hint; default: the default identity) and its audience. */
export interface TokenRequest {
  readonly audience: readonly string[];
  readonly spiffe_id?: SpiffeId | undefined;
  readonly hint?: string | undefined;
}

/** The prefix of secret names for the audiences that every client may request: `jwt:AUDIENCE`. */
export const AUDIENCE_PREFIX = 'jwt:';

/** A token from the Workload API that passed `checkJwtSvid`. */
export interface Token {
  readonly id: SpiffeId;
  /** JWS compact serialisation. */
  readonly value: string;
  /** When it was issued (or received, if the token has no `iat`), in milliseconds since the epoch. */
  readonly begunAt: number;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** The answer to a request for a token. */
export interface TokenState {
  readonly token?: Token | undefined;
  /** True when there is no token now, but one may arrive soon. */
  readonly pending: boolean;
}

/** Requests with the same key get the same token. */
export function tokenKey({ audience, spiffe_id, hint }: TokenRequest): string {
  return JSON.stringify([audience, spiffe_id, hint]);
}

/** The SPIFFE ID that the token must have, according to the newest context; undefined when this workload has no such identity. */
export function subjectOf({ spiffe_id, hint }: TokenRequest, { svids }: X509Context): SpiffeId | undefined {
  const isMeant = (svid: X509Context['svids'][number]) =>
    spiffe_id === undefined ? hint === undefined || svid.hint === hint : svid.id === spiffe_id;
  return svids.find(isMeant)?.id;
}
