/** JWT-SVIDs (JWT-SVID specification, sections 2 – 4). It loads `jose`: import it when there is a token, not before. */
import {
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  type JSONWebKeySet,
  type JWTPayload,
  jwtVerify,
  type ProtectedHeaderParameters,
} from 'jose';
import { type ErrorCode, messageOf, SpiffeSdsError } from '../../error.ts';
import { parseSpiffeId, type SpiffeId, type TrustDomain, trustDomainOf } from '../spiffe-id.ts';
import type { JwtBundle } from './jwt-bundle.ts';

export interface JwtSvid {
  readonly id: SpiffeId;
  readonly audience: readonly string[];
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Milliseconds since the epoch; absent: it does not say. */
  readonly issuedAt?: number;
  readonly header: ProtectedHeaderParameters;
  readonly claims: JWTPayload;
}

/** Who a token must be for. */
export interface ExpectedJwtSvid {
  readonly id: SpiffeId;
  /** Each must be among its audience. */
  readonly audience: readonly string[];
}

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'];
const TYPES: readonly unknown[] = [undefined, 'JWT', 'JOSE'];
/** JWS compact serialisation, so nothing that would end a header line. */
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
/** A header line of 16 KiB is more than most servers take. */
const MAX_LENGTH = 16_384;

/**
 * Judges all but the signature and the time.
 * @param token JWS compact serialisation
 * @throws SpiffeSdsError `svid_invalid` naming the rule it breaks, without the token
 */
export function parseJwtSvid(token: string): JwtSvid {
  if (token.length > MAX_LENGTH) throw invalid(`it has ${token.length} characters, more than ${MAX_LENGTH}`);
  if (!COMPACT.test(token)) throw invalid('it is no JWS in compact serialisation');
  const { header, claims } = decoded(token);
  const { sub, aud, exp, iat } = claims;
  if (!ALGORITHMS.includes(header.alg ?? '')) throw invalid(`its alg is ${quote(header.alg)}: only ${ALGORITHMS.join(', ')}`);
  if (!TYPES.includes(header.typ)) throw invalid(`its typ is ${quote(header.typ)}: only JWT and JOSE`);
  if (typeof sub !== 'string') throw invalid('it has no sub');
  const audience = [aud ?? []].flat();
  if (audience.length === 0 || !audience.every((one) => typeof one === 'string')) throw invalid('it has no aud');
  if (typeof exp !== 'number' || !Number.isFinite(exp)) throw invalid('it has no exp');
  const issuedAt = typeof iat === 'number' && Number.isFinite(iat) ? { issuedAt: iat * 1000 } : {};
  return { id: idOf(sub), audience, expiresAt: exp * 1000, ...issuedAt, header, claims };
}

/**
 * What is to be true of a token before it is given to anybody. Who signed it is not judged: it came from the Workload API.
 * @param now milliseconds since the epoch
 * @throws SpiffeSdsError `svid_invalid` as `parseJwtSvid` does
 */
export function checkJwtSvid(token: string, expected: ExpectedJwtSvid, now: number): JwtSvid {
  const svid = parseJwtSvid(token);
  const { id, audience, expiresAt } = svid;
  if (id !== expected.id) throw invalid(`its sub is ${id}, not ${expected.id}`);
  const missing = expected.audience.find((one) => !audience.includes(one));
  if (missing !== undefined) throw invalid(`its aud lacks ${quote(missing)}`);
  if (expiresAt <= now) throw invalid(`it has expired at ${new Date(expiresAt).toISOString()}`);
  return svid;
}

/**
 * Verifies a token that a peer shows, with the keys of its own trust domain only.
 * @param bundleOf undefined: that trust domain is not trusted
 * @param now milliseconds since the epoch
 * @throws SpiffeSdsError `svid_invalid` naming the rule it breaks, without the token
 */
export async function verifyJwtSvid(
  token: string,
  audience: string,
  bundleOf: (trustDomain: TrustDomain) => JwtBundle | undefined,
  now: number,
): Promise<JwtSvid> {
  const svid = parseJwtSvid(token);
  const trustDomain = trustDomainOf(svid.id);
  const bundle = bundleOf(trustDomain);
  if (bundle === undefined) throw invalid(`there is no JWT bundle of ${trustDomain}`);
  const keys = createLocalJWKSet({ keys: bundle.keys } as unknown as JSONWebKeySet);
  try {
    await jwtVerify(token, keys, { audience, algorithms: ALGORITHMS, requiredClaims: ['exp'], currentDate: new Date(now) });
  } catch (error) {
    // The cause would carry the claims along.
    throw invalid(messageOf(error));
  }
  return svid;
}

function decoded(token: string): Pick<JwtSvid, 'header' | 'claims'> {
  try {
    return { header: decodeProtectedHeader(token), claims: decodeJwt(token) };
  } catch {
    // What does not parse may stand in the message.
    throw invalid('its header or its claims are no JSON object in base64url');
  }
}

function idOf(sub: string): SpiffeId {
  try {
    return parseSpiffeId(sub);
  } catch (error) {
    throw invalid(`its sub is ${messageOf(error)}`);
  }
}

function invalid(rule: string): SpiffeSdsError {
  const code: ErrorCode = 'svid_invalid';
  return new SpiffeSdsError(code, `not a JWT-SVID that can be used: ${rule}`);
}

function quote(value: unknown): string {
  return (JSON.stringify(value) ?? 'missing').slice(0, 200);
}
