/**
 * The keys of JWT-SVIDs over HTTP, for those who verify tokens: Envoy's jwt_authn asks for them like this. A trust domain that there are no
 * keys of is 404, never an empty set, which some take for "trust nobody" and others for an error.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { PublishedJwks } from '../spiffe/jwt/jwt-bundle.ts';
import { parseTrustDomain } from '../spiffe/spiffe-id.ts';
import { type Answer, type Asked, text } from './read-only-server.ts';

/** Where the JWT bundles come from. */
export interface JwksSource {
  /** Resolves when the Workload API has said anything of them. The first who asks makes it ask. */
  known(): Promise<void>;
  of(trustDomain: string): PublishedJwks | undefined;
}

export const JWKS_PATH = '/v1/jwks/';

/** An answer is waited for so long: Envoy's own patience is 1 s as a rule. */
const PATIENCE_MS = 5_000;
/** Of a set that changed just now, and of one that did not for a long time: its next change is as far away as its last one, at a guess a tenth. */
const MIN_AGE_S = 5;
const MAX_AGE_S = 300;
const PART_OF_AGE = 0.1;

/** @param path begins with JWKS_PATH */
export async function jwksAnswer(source: JwksSource, path: string, { ifNoneMatch }: Asked, clock: Clock): Promise<Answer> {
  const name = path.slice(JWKS_PATH.length);
  if (!isTrustDomain(name)) return text(404, `that is no trust domain: ask for ${JWKS_PATH}example.org\n`);
  if (!(await isKnownInTime(source, clock))) {
    const answer = text(503, 'the Workload API has not said yet which JWT bundles there are: ask again\n');
    return { ...answer, headers: { 'retry-after': '1' } };
  }
  const published = source.of(name);
  if (published === undefined) return text(404, `there is no JWT bundle of ${name}: the Workload API does not list it\n`);
  const { document } = published;
  const etag = `"${createHash('sha256').update(document).digest('hex').slice(0, 32)}"`;
  const headers = { etag, 'cache-control': `public, max-age=${maxAge(published, clock.now())}` };
  const isSame = ifNoneMatch.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag || tag.trim() === '*');
  const contentType = 'application/json';
  return isSame ? { status: 304, contentType, body: '', headers } : { status: 200, contentType, body: document, headers };
}

/** Seconds for which the set may be kept. */
function maxAge({ since, refreshHintMs }: PublishedJwks, now: number): number {
  const guess = Math.floor(((now - since) / 1000) * PART_OF_AGE);
  const most = refreshHintMs === undefined ? MAX_AGE_S : Math.min(MAX_AGE_S, Math.ceil(refreshHintMs / 1000));
  return Math.min(most, Math.max(MIN_AGE_S, guess));
}

function isTrustDomain(name: string): boolean {
  try {
    return parseTrustDomain(name) === name;
  } catch {
    return false;
  }
}

function isKnownInTime(source: JwksSource, clock: Clock): Promise<boolean> {
  return new Promise((resolve) => {
    const forget = clock.after(PATIENCE_MS, () => resolve(false));
    void source.known().then(() => {
      forget();
      resolve(true);
    });
  });
}
