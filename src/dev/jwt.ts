/** JWT-SVIDs of the development authority: issued and validated with ES256 only. */
import type { webcrypto } from 'node:crypto';
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  decodeJwt,
  exportJWK,
  generateKeyPair,
  type JSONWebKeySet,
  type JWK,
  type JWTPayload,
  jwtVerify,
  SignJWT,
} from 'jose';
import { messageOf, SpiffeSdsError } from '../error.ts';
import { parseSpiffeId, type SpiffeId, type TrustDomain, trustDomainOf } from '../spiffe/spiffe-id.ts';

export interface JwtAuthority {
  readonly kid: string;
  readonly privateKey: webcrypto.CryptoKey;
  readonly publicKey: JWK;
}

export interface JwtClaims {
  readonly spiffeId: SpiffeId;
  readonly audience: readonly string[];
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

export interface ValidJwtSvid {
  readonly spiffeId: SpiffeId;
  readonly claims: JWTPayload;
}

export async function createJwtAuthority(): Promise<JwtAuthority> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  return { kid, privateKey, publicKey: { ...jwk, kid } };
}

/** A JWT-SVID (JWT-SVID specification, sections 2 and 3) as JWS compact serialisation. */
export function issueJwtSvid(authority: JwtAuthority, claims: JwtClaims): Promise<string> {
  return new SignJWT()
    .setProtectedHeader({ alg: 'ES256', kid: authority.kid, typ: 'JWT' })
    .setSubject(claims.spiffeId)
    .setAudience([...claims.audience])
    .setIssuedAt(new Date(claims.issuedAt))
    .setExpirationTime(new Date(claims.expiresAt))
    .sign(authority.privateKey);
}

/**
 * Validates a JWT-SVID with the keys of its own trust domain only.
 *
 * @param now milliseconds since the epoch
 * @throws SpiffeSdsError `svid_invalid`, without the token
 */
export async function validateJwtSvid(
  token: string,
  audience: string,
  jwksOf: (trustDomain: TrustDomain) => JSONWebKeySet | undefined,
  now: number,
): Promise<ValidJwtSvid> {
  try {
    const spiffeId = parseSpiffeId(decodeJwt(token).sub ?? '');
    const jwks = jwksOf(trustDomainOf(spiffeId));
    if (jwks === undefined) throw new Error(`no JWT bundle for trust domain "${trustDomainOf(spiffeId)}"`);
    const { payload } = await jwtVerify(token, createLocalJWKSet(jwks), {
      audience,
      algorithms: ['ES256'],
      requiredClaims: ['exp'],
      currentDate: new Date(now),
    });
    return { spiffeId, claims: payload };
  } catch (error) {
    // The cause would carry the claims along.
    throw new SpiffeSdsError('svid_invalid', `cannot accept the JWT-SVID: ${messageOf(error)}`);
  }
}
