/** The keys with which the JWT-SVIDs of one trust domain are verified. SPIFFE Trust Domain and Bundle specification, section 4. */
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { messageOf, SpiffeSdsError } from '../../error.ts';
import { isMapping } from '../../mapping.ts';
import { quotedValue } from '../../printable.ts';
import type { TrustDomain } from '../spiffe-id.ts';

/** A public key as JSON Web Key (RFC 7517). It has no private members. */
export interface JwtKey {
  readonly kid: string;
  readonly kty: 'EC' | 'RSA';
  readonly use: 'sig';
  readonly alg?: string;
  readonly crv?: string;
  readonly x?: string;
  readonly y?: string;
  readonly n?: string;
  readonly e?: string;
}

/** The usable keys of one trust domain. */
export interface JwtBundle {
  readonly trustDomain: TrustDomain;
  /** No two keys have the same `kid`. */
  readonly keys: readonly [JwtKey, ...JwtKey[]];
  /** `spiffe_refresh_hint` in milliseconds: how often to fetch the bundle; absent when the document has none. */
  readonly refreshHintMs?: number;
}

/** The JWK Set that is published for one trust domain. */
export interface PublishedJwks {
  /** A JWK Set with at least one key. */
  readonly document: string;
  /** When the document last changed, in milliseconds since the epoch. */
  readonly since: number;
  /** As in `JwtBundle`. */
  readonly refreshHintMs?: number;
}

/** A key that cannot be used. It does not affect the other keys. */
export interface UnusableKey {
  /** The key's `kid`, or its position in the document. */
  readonly key: string;
  readonly reason: string;
}

/** The result of reading a JWK Set. */
export interface ReadJwtBundle {
  readonly bundle: JwtBundle;
  readonly unusable: readonly UnusableKey[];
}

/** The algorithms of JWT-SVIDs (JWT-SVID specification, section 2.1), by the curve of the key. */
const CURVES: Readonly<Record<string, string>> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' };
const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
/** The smallest RSA key that RFC 7518, sections 3.3 and 3.5, allows. */
const MIN_RSA_BITS = 2048;

/**
 * Reads the keys for JWT-SVIDs. Keys for other uses (`x509-svid`) are ignored; keys that cannot verify a JWT-SVID are listed as unusable.
 * @param document a JWK Set (RFC 7517) as JSON
 * @throws SpiffeSdsError `bundle_invalid` when no key of it can be used
 */
export function readJwtBundle(trustDomain: TrustDomain, document: Uint8Array): ReadJwtBundle {
  const set = parse(document);
  const keys: JwtKey[] = [];
  const unusable: UnusableKey[] = [];
  for (const [index, jwk] of set.keys.entries()) {
    if (isMapping(jwk) && jwk['use'] === 'x509-svid') continue;
    const key = isMapping(jwk) && typeof jwk['kid'] === 'string' && jwk['kid'] !== '' ? jwk['kid'] : `key ${index + 1}`;
    const read = readKey(jwk, keys);
    if (typeof read === 'string') unusable.push({ key, reason: read });
    else keys.push(read);
  }
  const [first, ...rest] = keys;
  if (first === undefined) {
    const reasons = unusable.map(({ key, reason }) => `${key}: ${reason}`).join('; ');
    throw new SpiffeSdsError('bundle_invalid', `no key of the JWT bundle can be used: ${reasons || 'there is none'}`);
  }
  const hint = set.spiffe_refresh_hint;
  const hasHint = typeof hint === 'number' && Number.isFinite(hint) && hint > 0;
  return { bundle: { trustDomain, keys: [first, ...rest], ...(hasHint && { refreshHintMs: hint * 1000 }) }, unusable };
}

/** The JWK Set for verifiers of JWT-SVIDs, in a form that standard libraries read. The same keys always give the same text. */
export function jwksOf({ keys }: JwtBundle): string {
  const sorted = [...keys].sort((a, b) => (a.kid < b.kid ? -1 : 1));
  return JSON.stringify({ keys: sorted });
}

function parse(document: Uint8Array): { readonly keys: readonly unknown[]; readonly spiffe_refresh_hint?: unknown } {
  let read: unknown;
  try {
    read = JSON.parse(Buffer.from(document).toString());
  } catch {
    throw new SpiffeSdsError('bundle_invalid', 'the JWT bundle is not JSON');
  }
  if (!isMapping(read) || !Array.isArray(read['keys'])) {
    throw new SpiffeSdsError('bundle_invalid', 'the JWT bundle is not a JWK Set: it has no list "keys"');
  }
  return { keys: read['keys'], spiffe_refresh_hint: read['spiffe_refresh_hint'] };
}

/** @returns the key, or the reason why it cannot be used */
function readKey(jwk: unknown, before: readonly JwtKey[]): JwtKey | string {
  if (!isMapping(jwk)) return 'it is not a JSON object';
  const { kid, use } = jwk;
  if (typeof kid !== 'string' || kid === '') return 'it has no kid';
  if (before.some((key) => key.kid === kid)) return 'there is another key with that kid before it';
  // SPIRE omits `use`, because some libraries do not know the value "jwt-svid".
  if (use !== undefined && use !== 'jwt-svid' && use !== 'sig') return `its use is ${quotedValue(use, 100)}, not "jwt-svid"`;
  const key = ofType(jwk, kid);
  return typeof key === 'string' ? key : (mathProblem(key) ?? key);
}

function ofType({ kty, alg, crv, x, y, n, e }: Readonly<Record<string, unknown>>, kid: string): JwtKey | string {
  if (kty === 'EC') {
    const expected = CURVES[String(crv)];
    if (expected === undefined)
      return `its curve is ${quotedValue(crv, 100)}: only ${Object.keys(CURVES).join(', ')} can be used`;
    if (alg !== undefined && alg !== expected)
      return `its alg is ${quotedValue(alg, 100)}, for a key on ${crv} it is ${expected}`;
    return { kid, kty, use: 'sig', alg: expected, crv: String(crv), x: String(x), y: String(y) };
  }
  if (kty === 'RSA') {
    // A key without `alg` works with all RSA algorithms.
    if (alg === undefined) return { kid, kty, use: 'sig', n: String(n), e: String(e) };
    if (!RSA_ALGORITHMS.includes(String(alg)))
      return `its alg is ${quotedValue(alg, 100)}: only ${RSA_ALGORITHMS.join(', ')} can be used`;
    return { kid, kty, use: 'sig', alg: String(alg), n: String(n), e: String(e) };
  }
  return `its type is ${quotedValue(kty, 100)}: only EC and RSA can be used`;
}

/** Why the numbers do not make a usable key: the point is not on the curve, or the modulus is too short. */
function mathProblem({ kty, crv, x, y, n, e }: JwtKey): string | undefined {
  try {
    const jwk = (kty === 'EC' ? { kty, crv, x, y } : { kty, n, e }) as JsonWebKey;
    const bits = createPublicKey({ key: jwk, format: 'jwk' }).asymmetricKeyDetails?.modulusLength;
    if (bits === undefined || bits >= MIN_RSA_BITS) return undefined;
    return `its modulus has ${bits} bits, fewer than ${MIN_RSA_BITS}`;
  } catch (error) {
    return `it is not a key: ${messageOf(error)}`;
  }
}
