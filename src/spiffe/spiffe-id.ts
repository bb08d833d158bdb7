/** SPIFFE IDs and trust domains, as the SPIFFE-ID specification (sections 2 and 2.3) defines them. */
import { SpiffeSdsError } from '../error.ts';
import { quoted } from '../printable.ts';

declare const brand: unique symbol;
/** The name of a trust domain, without `spiffe://`: `example.org`. */
export type TrustDomain = string & { readonly [brand]: 'TrustDomain' };
/** `spiffe://trust-domain/path`, or `spiffe://trust-domain` for the trust domain itself. */
export type SpiffeId = string & { readonly [brand]: 'SpiffeId' };

const SCHEME = 'spiffe://';
const MAX_ID_BYTES = 2048;
const MAX_TRUST_DOMAIN_BYTES = 255;

/**
 * Checks that a text is a SPIFFE ID (SPIFFE-ID specification, section 2).
 * @throws SpiffeSdsError `spiffe_id_invalid`; the message says which part is wrong
 */
export function parseSpiffeId(text: string): SpiffeId {
  const problem = spiffeIdProblem(text);
  if (problem !== undefined) throw new SpiffeSdsError('spiffe_id_invalid', `not a SPIFFE ID: ${quoted(text)}: ${problem}`);
  return text as SpiffeId;
}

/**
 * Checks that a text is a trust domain (SPIFFE-ID specification, section 2.1).
 * @param text `example.org`, or the trust domain's SPIFFE ID `spiffe://example.org`
 * @throws SpiffeSdsError `spiffe_id_invalid`; the message says what is wrong
 */
export function parseTrustDomain(text: string): TrustDomain {
  const name = text.startsWith(SCHEME) ? text.slice(SCHEME.length) : text;
  const problem = trustDomainProblem(name);
  if (problem !== undefined) throw new SpiffeSdsError('spiffe_id_invalid', `not a trust domain: ${quoted(text)}: ${problem}`);
  return name as TrustDomain;
}

/** The trust domain that an ID belongs to. */
export function trustDomainOf(id: SpiffeId): TrustDomain {
  const slash = id.indexOf('/', SCHEME.length);
  return id.slice(SCHEME.length, slash === -1 ? undefined : slash) as TrustDomain;
}

/** The SPIFFE ID of a trust domain: `spiffe://example.org`. */
export function trustDomainId(trustDomain: TrustDomain): SpiffeId {
  return `${SCHEME}${trustDomain}` as SpiffeId;
}

/** The path with its leading slash; empty for a trust domain's own ID. */
export function pathOf(id: SpiffeId): string {
  return id.slice(SCHEME.length + trustDomainOf(id).length);
}

function spiffeIdProblem(text: string): string | undefined {
  if (Buffer.byteLength(text) > MAX_ID_BYTES) return `longer than ${MAX_ID_BYTES} bytes`;
  if (!text.startsWith(SCHEME)) return `it must begin with "${SCHEME}"`;
  const rest = text.slice(SCHEME.length);
  const slash = rest.indexOf('/');
  const trustDomain = slash === -1 ? rest : rest.slice(0, slash);
  return trustDomainProblem(trustDomain) ?? (slash === -1 ? undefined : pathProblem(rest.slice(slash + 1)));
}

function trustDomainProblem(name: string): string | undefined {
  if (name === '') return 'the trust domain is empty';
  if (Buffer.byteLength(name) > MAX_TRUST_DOMAIN_BYTES) return `the trust domain is longer than ${MAX_TRUST_DOMAIN_BYTES} bytes`;
  const bad = /[^a-z0-9._-]/.exec(name);
  return bad === null ? undefined : `${quoted(bad[0])} in the trust domain: only a-z, 0-9, ".", "-" and "_" may stand there`;
}

function pathProblem(path: string): string | undefined {
  for (const segment of path.split('/')) {
    if (segment === '') return path.endsWith('/') || path === '' ? 'the path ends with a slash' : 'the path has an empty segment';
    if (segment === '.' || segment === '..') return `the path has a ${quoted(segment)} segment`;
    const bad = /[^A-Za-z0-9._-]/.exec(segment);
    if (bad !== null) return `${quoted(bad[0])} in the path: only letters, digits, ".", "-" and "_" may stand there`;
  }
  return undefined;
}
