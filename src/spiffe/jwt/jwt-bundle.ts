/** The keys with which the JWT-SVIDs of one trust domain are verified. SPIFFE Trust Domain and Bundle specification, section 4. */
import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { messageOf, SpiffeSdsError } from '../../error.ts';
import { isMapping } from '../../mapping.ts';
import type { TrustDomain } from '../spiffe-id.ts';

/** A public key as JSON Web Key: none of its members is private. */
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

export interface JwtBundle {
  readonly trustDomain: TrustDomain;
  /** Each with another `kid`. */
  readonly keys: readonly [JwtKey, ...JwtKey[]];
  /** How often its publisher wants to be asked, milliseconds; absent: it does not say. */
  readonly refreshHintMs?: number;
}

/** What is published of one trust domain. */
export interface PublishedJwks {
  /** A JWK Set with at least one key. */
  readonly document: string;
  /** When it became what it is, milliseconds since the epoch. */
  readonly since: number;
  /** How often its publisher wants to be asked; absent: it does not say. */
  readonly refreshHintMs?: number;
}

/** A key that could not be used. The others count all the same. */
export interface UnusableKey {
  /** Its `kid`, or its place in the document. */
  readonly key: string;
  readonly reason: string;
}

export interface ReadJwtBundle {
  readonly bundle: JwtBundle;
  readonly unusable: readonly UnusableKey[];
}

/** JWT-SVID specification, section 2.1: which algorithms there are, and so which keys. */
const CURVES: Readonly<Record<string, string>> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' };
const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];
/** RFC 7518, sections 3.3 and 3.5. */
const MIN_RSA_BITS = 2048;

/**
 * Keys for other uses (`x509-svid`) are passed over; keys that no JWT-SVID can be signed with are left out.
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

/** What a verifier of JWT-SVIDs is given: a JWK Set that standard libraries read. The same keys always give the same text. */
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

/** @returns why it cannot be used, when it cannot */
function readKey(jwk: unknown, before: readonly JwtKey[]): JwtKey | string {
  if (!isMapping(jwk)) return 'it is not a JSON object';
  const { kid, use } = jwk;
  if (typeof kid !== 'string' || kid === '') return 'it has no kid';
  if (before.some((key) => key.kid === kid)) return 'there is another key with that kid before it';
  // SPIRE leaves it out for those who would not know it.
  if (use !== undefined && use !== 'jwt-svid' && use !== 'sig') return `its use is ${quote(use)}, not "jwt-svid"`;
  const key = ofType(jwk, kid);
  return typeof key === 'string' ? key : (mathProblem(key) ?? key);
}

function ofType({ kty, alg, crv, x, y, n, e }: Readonly<Record<string, unknown>>, kid: string): JwtKey | string {
  if (kty === 'EC') {
    const expected = CURVES[String(crv)];
    if (expected === undefined) return `its curve is ${quote(crv)}: only ${Object.keys(CURVES).join(', ')} can be used`;
    if (alg !== undefined && alg !== expected) return `its alg is ${quote(alg)}, for a key on ${crv} it is ${expected}`;
    return { kid, kty, use: 'sig', alg: expected, crv: String(crv), x: String(x), y: String(y) };
  }
  if (kty === 'RSA') {
    // Without alg it is good for all of them.
    if (alg === undefined) return { kid, kty, use: 'sig', n: String(n), e: String(e) };
    if (!RSA_ALGORITHMS.includes(String(alg))) return `its alg is ${quote(alg)}: only ${RSA_ALGORITHMS.join(', ')} can be used`;
    return { kid, kty, use: 'sig', alg: String(alg), n: String(n), e: String(e) };
  }
  return `its type is ${quote(kty)}: only EC and RSA can be used`;
}

/** A point beside its curve, a modulus that is too short. */
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

function quote(value: unknown): string {
  return (JSON.stringify(value) ?? 'missing').slice(0, 100);
}
