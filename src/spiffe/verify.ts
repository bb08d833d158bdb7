/** Verifies an X509-SVID, except its dates (X509-SVID specification, sections 2 – 5). `standing.ts` checks the dates. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { SpiffeSdsError } from '../error.ts';
import { pathOf, trustDomainId, trustDomainOf } from './spiffe-id.ts';
import { findPath } from './x509/path.ts';
import type { X509Bundle, X509Svid } from './x509-context.ts';

/**
 * Checks the leaf, the private key and the chain of an SVID, but not the dates.
 * @throws SpiffeSdsError `svid_invalid`; the message names the broken rule
 */
export function verifySvid(svid: X509Svid): void {
  const problem = leafProblem(svid) ?? keyProblem(svid) ?? chainProblem(svid);
  if (problem !== undefined) throw new SpiffeSdsError('svid_invalid', problem);
}

/**
 * Whether a peer that trusts only these authorities would accept the SVID.
 * @param at milliseconds since the epoch
 */
export function isVerified({ chain }: X509Svid, { authorities }: X509Bundle, at: number): boolean {
  return findPath(chain, authorities, at) !== undefined;
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
  return leaf.x509.checkPrivateKey(key) ? undefined : 'its private key does not belong to the leaf';
}

function chainProblem({ id, chain, authorities }: X509Svid): string | undefined {
  if (findPath(chain, authorities) !== undefined) return undefined;
  const which = chain.length === 1 ? 'it' : `its chain of ${chain.length}`;
  return `${which} does not verify against the ${authorities.length} authorities of ${trustDomainId(trustDomainOf(id))}`;
}
