/** JWT-SVIDs as they are asked for and handed on. Nothing here needs `jose`. */
import type { SpiffeId } from '../spiffe-id.ts';
import type { X509Context } from '../x509-context.ts';

/** Whose token, and for whom. Without a SPIFFE ID and a hint: that of the default identity. */
export interface TokenRequest {
  readonly audience: readonly string[];
  readonly spiffe_id?: SpiffeId | undefined;
  readonly hint?: string | undefined;
}

/** Before an audience that anybody may ask for by name. */
export const AUDIENCE_PREFIX = 'jwt:';

export interface Token {
  readonly id: SpiffeId;
  /** JWS compact serialisation. */
  readonly value: string;
  /** Milliseconds since the epoch, as is `expiresAt`: when it was issued, or else when it came. */
  readonly begunAt: number;
  readonly expiresAt: number;
}

/** What there is for a request now. */
export interface TokenState {
  readonly token?: Token | undefined;
  /** There is none, but who asks for it may get it in a moment. */
  readonly pending: boolean;
}

/** The same for requests that the same token answers. */
export function tokenKey({ audience, spiffe_id, hint }: TokenRequest): string {
  return JSON.stringify([audience, spiffe_id, hint]);
}

/** Whose token it has to be, by what the Workload API says of this workload now; undefined: it has no such identity. */
export function subjectOf({ spiffe_id, hint }: TokenRequest, { svids }: X509Context): SpiffeId | undefined {
  const isMeant = (svid: X509Context['svids'][number]) =>
    spiffe_id === undefined ? hint === undefined || svid.hint === hint : svid.id === spiffe_id;
  return svids.find(isMeant)?.id;
}
