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
import { isoTime } from '../../clock.ts';
import { type ErrorCode, messageOf, SpiffeSdsError } from '../../error.ts';
import { quotedValue } from '../../printable.ts';
import { parseSpiffeId, type SpiffeId, type TrustDomain, trustDomainOf } from '../spiffe-id.ts';
import type { JwtBundle } from './jwt-bundle.ts';

/** The parts of a JWT-SVID that the sidecar uses. */
export interface JwtSvid {
  readonly id: SpiffeId;
  readonly audience: readonly string[];
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** Milliseconds since the epoch; absent when the token has no `iat`. */
  readonly issuedAt?: number;
  readonly header: ProtectedHeaderParameters;
  readonly claims: JWTPayload;
}

/** The subject and audience that a token must have. */
export interface ExpectedJwtSvid {
  readonly id: SpiffeId;
  /** The token's audience must contain all of these. */
  readonly audience: readonly string[];
}

const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512'];
const TYPES: readonly unknown[] = [undefined, 'JWT', 'JOSE'];
/** JWS compact serialisation (RFC 7515, section 7.1). It allows no line break, so the token cannot end an HTTP header early. */
const COMPACT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
/** Most servers refuse an HTTP header of 16 KiB. */
const MAX_LENGTH = 16_384;

/**
 * Checks everything but the signature and the time (JWT-SVID specification, sections 2 and 3).
 * @param token JWS compact serialisation
 * @throws SpiffeSdsError `svid_invalid`; the message names the broken rule and never contains the token
 */
export function parseJwtSvid(token: string): JwtSvid {
  if (token.length > MAX_LENGTH) throw invalid(`it has ${token.length} characters, more than ${MAX_LENGTH}`);
  if (!COMPACT.test(token)) throw invalid('it is no JWS in compact serialisation');
  const { header, claims } = decoded(token);
  const { sub, aud, exp, iat } = claims;
  if (!ALGORITHMS.includes(header.alg ?? ''))
    throw invalid(`its alg is ${quotedValue(header.alg, 200)}: only ${ALGORITHMS.join(', ')}`);
  if (!TYPES.includes(header.typ)) throw invalid(`its typ is ${quotedValue(header.typ, 200)}: only JWT and JOSE`);
  if (typeof sub !== 'string') throw invalid('it has no sub');
  const audience = [aud ?? []].flat();
  if (audience.length === 0 || !audience.every((one) => typeof one === 'string')) throw invalid('it has no aud');
  if (typeof exp !== 'number' || !Number.isFinite(exp)) throw invalid('it has no exp');
  const issuedAt = typeof iat === 'number' && Number.isFinite(iat) ? { issuedAt: iat * 1000 } : {};
  return { id: idOf(sub), audience, expiresAt: exp * 1000, ...issuedAt, header, claims };
}

/**
 * Checks a token from the Workload API before it is served. The signature is not checked, because the Workload API is trusted.
 * @param now milliseconds since the epoch
 * @throws SpiffeSdsError `svid_invalid` as `parseJwtSvid` does
 */
export function checkJwtSvid(token: string, expected: ExpectedJwtSvid, now: number): JwtSvid {
  const svid = parseJwtSvid(token);
  const { id, audience, expiresAt } = svid;
  if (id !== expected.id) throw invalid(`its sub is ${id}, not ${expected.id}`);
  const missing = expected.audience.find((one) => !audience.includes(one));
  if (missing !== undefined) throw invalid(`its aud lacks ${quotedValue(missing, 200)}`);
  if (expiresAt <= now) throw invalid(`it has expired at ${isoTime(expiresAt)}`);
  return svid;
}

/**
 * Verifies a token from a peer with the keys of the token's own trust domain (JWT-SVID specification, section 4).
 * @param bundleOf returns the keys of a trust domain, or undefined when it is not trusted
 * @param now milliseconds since the epoch
 * @throws SpiffeSdsError `svid_invalid`; the message names the broken rule and never contains the token
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
    // Without a `cause`: it contains the claims.
    throw invalid(messageOf(error));
  }
  return svid;
}

function decoded(token: string): Pick<JwtSvid, 'header' | 'claims'> {
  try {
    return { header: decodeProtectedHeader(token), claims: decodeJwt(token) };
  } catch {
    // Without the message of `jose`: it can contain parts of the token.
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
