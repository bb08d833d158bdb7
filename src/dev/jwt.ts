/** JWT-SVIDs of the development authority: ES256 only. */
import type { webcrypto } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';
import type { JwtKey } from '../spiffe/jwt/jwt-bundle.ts';
import type { SpiffeId } from '../spiffe/spiffe-id.ts';

export interface JwtAuthority {
  readonly privateKey: webcrypto.CryptoKey;
  readonly publicKey: JwtKey;
}

export interface JwtClaims {
  readonly spiffeId: SpiffeId;
  readonly audience: readonly string[];
  /** Milliseconds since the epoch. */
  readonly issuedAt: number;
  readonly expiresAt: number;
}

export async function createJwtAuthority(): Promise<JwtAuthority> {
  const { privateKey, publicKey } = await generateKeyPair('ES256');
  const { x = '', y = '' } = await exportJWK(publicKey);
  const jwk = { kty: 'EC', crv: 'P-256', x, y } as const;
  const kid = await calculateJwkThumbprint(jwk);
  return { privateKey, publicKey: { ...jwk, kid, alg: 'ES256', use: 'sig' } };
}

/** A JWT-SVID (JWT-SVID specification, sections 2 and 3) as JWS compact serialisation. */
export function issueJwtSvid(authority: JwtAuthority, claims: JwtClaims): Promise<string> {
  return new SignJWT()
    .setProtectedHeader({ alg: 'ES256', kid: authority.publicKey.kid, typ: 'JWT' })
    .setSubject(claims.spiffeId)
    .setAudience([...claims.audience])
    .setIssuedAt(new Date(claims.issuedAt))
    .setExpirationTime(new Date(claims.expiresAt))
    .sign(authority.privateKey);
}
