/** Is this an X509-SVID that a peer would accept? X509-SVID specification, sections 2 – 5, and RFC 5280 path validation. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { SpiffeSdsError } from '../error.ts';
import type { Certificate } from './certificate.ts';
import { pathOf, trustDomainId } from './spiffe-id.ts';
import type { X509Bundle, X509Svid } from './x509-context.ts';

const MIN_RSA_BITS = 2048;
/** What Envoy loads, by node:crypto's names of curves and key types; it rejects others, and what comes beside them. */
const LOADABLE_KEYS: ReadonlySet<string> = new Set(['rsa', 'prime256v1', 'secp384r1', 'secp521r1', 'ed25519']);

/**
 * @param bundle of the SVID's own trust domain
 * @param now milliseconds since the epoch
 * @throws SpiffeSdsError `svid_invalid` naming the rule it breaks
 */
export function verifySvid(svid: X509Svid, bundle: X509Bundle, now: number): void {
  const problem =
    leafProblem(svid) ??
    svid.chain.map((certificate) => validityProblem(certificate, now)).find((found) => found !== undefined) ??
    keyProblem(svid) ??
    chainProblem(svid.chain, bundle, now);
  if (problem !== undefined) throw new SpiffeSdsError('svid_invalid', problem);
}

/** Whether the chain of an SVID leads to one of these authorities: what a peer that trusts only them would find. */
export function isVerified({ chain }: X509Svid, bundle: X509Bundle, now: number): boolean {
  return chainProblem(chain, bundle, now) === undefined;
}

/** Something that Envoy accepts but that will not work everywhere; undefined when there is nothing to say. */
export function svidWarning(svid: X509Svid): string | undefined {
  const { asymmetricKeyType, asymmetricKeyDetails } = svid.chain[0].x509.publicKey;
  const curve = asymmetricKeyDetails?.namedCurve;
  if (asymmetricKeyType === 'ed25519' || curve === 'secp521r1')
    return `its key is ${curve ?? asymmetricKeyType}, which Envoy loads but does not accept from a peer: use P-256 or RSA`;
  if (curve === 'secp384r1') return 'its key is P-384: Envoy peers accept it with TLS 1.3 only, or with ecdh_curves set';
  return undefined;
}

function leafProblem({ id, chain: [leaf] }: X509Svid): string | undefined {
  const [uri] = leaf.uriSans;
  if (uri === undefined || leaf.uriSans.length !== 1)
    return `the leaf has ${leaf.uriSans.length} URI SANs, it must have exactly one`;
  if (uri !== id) return `the leaf's URI SAN is ${uri}, not the SPIFFE ID it came with`;
  if (pathOf(id) === '') return 'a leaf must have a SPIFFE ID with a path';
  if (leaf.isCa) return 'the leaf is a CA certificate';
  if (leaf.keyUsage?.digitalSignature !== true) return 'the leaf lacks the key usage digitalSignature';
  if (leaf.keyUsage.keyCertSign || leaf.keyUsage.crlSign) return 'the leaf has the key usage keyCertSign or cRLSign';
  return undefined;
}

function validityProblem({ x509, serial, notBefore, notAfter }: Certificate, now: number): string | undefined {
  if (now < notBefore) return `certificate ${serial} is not valid before ${x509.validFrom}: is this machine's clock right?`;
  if (now >= notAfter) return `certificate ${serial} expired at ${x509.validTo}`;
  return undefined;
}

function keyProblem({ privateKey, chain: [leaf] }: X509Svid): string | undefined {
  let key: KeyObject;
  try {
    key = createPrivateKey({
      key: Buffer.from(privateKey.buffer, privateKey.byteOffset, privateKey.length),
      format: 'der',
      type: 'pkcs8',
    });
  } catch {
    return 'its private key is not unencrypted PKCS#8 DER';
  }
  if (!leaf.x509.checkPrivateKey(key)) return 'its private key does not belong to the leaf';
  const kind = key.asymmetricKeyDetails?.namedCurve ?? key.asymmetricKeyType ?? 'of an unknown kind';
  if (!LOADABLE_KEYS.has(kind)) return `its key is ${kind}, which Envoy does not load: use P-256 or RSA`;
  const bits = key.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < MIN_RSA_BITS) return `its RSA key has ${bits} bits, Envoy takes ${MIN_RSA_BITS} or more`;
  return undefined;
}

/** Walks from the leaf to an authority of the bundle, over the intermediates that came with it. */
function chainProblem([leaf, ...intermediates]: X509Svid['chain'], bundle: X509Bundle, now: number): string | undefined {
  const authorities = bundle.authorities.filter((authority) => validityProblem(authority, now) === undefined);
  if (hasPath(leaf, intermediates, authorities)) return undefined;
  const chain = intermediates.length === 0 ? 'it' : `its chain of ${intermediates.length + 1}`;
  return `${chain} does not verify against the ${authorities.length} valid authorities of ${trustDomainId(bundle.trustDomain)}`;
}

/** Level by level, each intermediate once: of certificates that all sign one another there are factorially many paths. */
function hasPath(leaf: Certificate, intermediates: readonly Certificate[], authorities: readonly Certificate[]): boolean {
  let level: readonly Certificate[] = [leaf];
  let unused = intermediates;
  for (let casBelow = 0; level.length > 0; casBelow++) {
    const subjects = level;
    const signsOne = (issuer: Certificate) => subjects.some((subject) => signs(issuer, subject, casBelow));
    if (authorities.some(signsOne)) return true;
    level = unused.filter(signsOne);
    unused = unused.filter((issuer) => !level.includes(issuer));
  }
  return false;
}

function signs(issuer: Certificate, subject: Certificate, casBelow: number): boolean {
  return (
    issuer.isCa &&
    issuer.keyUsage?.keyCertSign === true &&
    (issuer.pathLength === undefined || casBelow <= issuer.pathLength) &&
    subject.x509.checkIssued(issuer.x509) &&
    subject.x509.verify(issuer.x509.publicKey)
  );
}
