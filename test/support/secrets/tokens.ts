/** Tokens and keys, right and wrong. */
import { SignJWT } from 'jose';
import { createJwtAuthority, issueJwtSvid, type JwtClaims } from '../../../src/dev/jwt.ts';
import type { JwtBundle } from '../../../src/spiffe/jwt/jwt-bundle.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/spiffe-id.ts';
import { HOUR, NOW } from '../x509/certificates.ts';

export const authority = await createJwtAuthority();
export const WEB = parseSpiffeId('spiffe://example.org/web');
export const TRUST_DOMAIN = parseTrustDomain('example.org');
export const BUNDLE: JwtBundle = { trustDomain: TRUST_DOMAIN, keys: [authority.publicKey] };
export const CLAIMS: JwtClaims = { spiffeId: WEB, audience: ['payments'], issuedAt: NOW, expiresAt: NOW + HOUR };

export function tokenWith(claims: Partial<JwtClaims> = {}): Promise<string> {
  return issueJwtSvid(authority, { ...CLAIMS, ...claims });
}

/** Signed by the authority whatever it says. */
export function oddToken(claims: object, header: object = {}): Promise<string> {
  const all = { sub: WEB, aud: 'payments', exp: (NOW + HOUR) / 1000, ...claims };
  const present = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  return new SignJWT(present)
    .setProtectedHeader({ alg: 'ES256', kid: authority.publicKey.kid, ...header })
    .sign(authority.privateKey);
}

/** With a header and claims that no library would sign, and a signature of nobody. */
export function unsigned(header: unknown, claims: unknown): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  return `${part(header)}.${part(claims)}.c2lnbmF0dXJl`;
}
