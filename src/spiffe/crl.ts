/**
 * Certificate revocation lists, vetted before they go out: Envoy takes an expired or foreign one without a word and then refuses every
 * peer, and once there is one it refuses every peer whose CA has none.
 */
import { verify } from 'node:crypto';
import type { X509Crl } from '@peculiar/x509';
import type { Certificate } from './certificate.ts';
import { checkDer, derChildren } from './der.ts';

export interface Crl {
  readonly der: Uint8Array;
  readonly issuer: string;
  /** Milliseconds since the epoch. */
  readonly thisUpdate: number;
  /** Milliseconds since the epoch; Infinity when it does not say. */
  readonly nextUpdate: number;
  isSignedBy(authority: Certificate): boolean;
}

export interface VettedCrls {
  /** One for each CA, or none at all. */
  readonly crls: readonly Crl[];
  /** Why there are none although the Workload API sent some for this trust domain. */
  readonly problem?: string;
}

/**
 * @param parsed by @peculiar/x509 of the same bytes
 * @throws when it cannot be judged, or is not for every certificate of its issuer
 */
export function createCrl(der: Uint8Array, parsed: X509Crl): Crl {
  if (parsed.extensions.some(({ critical }) => critical)) throw new Error('it covers a part only, or what Envoy cannot read');
  checkDer(der);
  const signed = signedParts(der);
  const verdicts = new Map<string, boolean>();
  return {
    der,
    issuer: parsed.issuer,
    thisUpdate: parsed.thisUpdate.getTime(),
    nextUpdate: parsed.nextUpdate?.getTime() ?? Number.POSITIVE_INFINITY,
    isSignedBy(authority) {
      const verdict = verdicts.get(authority.fingerprint) ?? isSigned(signed, parsed, authority);
      verdicts.set(authority.fingerprint, verdict);
      return verdict;
    },
  };
}

/**
 * The lists to send along with a bundle: the newest valid one of each CA, if each has one.
 * @param issuers the bundle's authorities, and the intermediate CAs that are known of their trust domain
 * @param now milliseconds since the epoch
 */
export function vetCrls(issuers: readonly Certificate[], crls: readonly Crl[], now: number): VettedCrls {
  const living = issuers.filter(({ notAfter }) => notAfter > now);
  const found = living.map((authority) => ({ authority, lists: crls.filter((crl) => crl.isSignedBy(authority)) }));
  if (found.every(({ lists }) => lists.length === 0)) return { crls: [] };
  const vetted: Crl[] = [];
  for (const { authority, lists } of found) {
    const [newest] = lists
      .filter(({ thisUpdate, nextUpdate }) => thisUpdate <= now && now < nextUpdate)
      .sort((a, b) => b.thisUpdate - a.thisUpdate);
    if (newest === undefined) {
      const why = lists.length === 0 ? 'has none' : 'has none that is current';
      return {
        crls: [],
        problem: `its CA ${authority.serial} ${why}, and with a list for some of them Envoy refuses the peers of the others`,
      };
    }
    vetted.push(newest);
  }
  return { crls: vetted };
}

interface SignedParts {
  readonly tbs: Uint8Array;
  /** A distinguished name, DER. */
  readonly issuer: Uint8Array;
  readonly signature: Uint8Array;
}

const INTEGER = 2;

/** RFC 5280, section 5.1: CertificateList ::= SEQUENCE { tbsCertList, signatureAlgorithm, signatureValue BIT STRING } */
function signedParts(der: Uint8Array): SignedParts {
  const [tbs, , signature] = derChildren(der);
  if (tbs === undefined || signature === undefined) throw new Error('it has no signature');
  // The version stands first, if it does.
  const [first, second, third] = derChildren(tbs.bytes);
  const issuer = first?.tag === INTEGER ? third : second;
  if (issuer === undefined) throw new Error('it has no issuer');
  return { tbs: tbs.bytes, issuer: issuer.bytes, signature: signature.content.subarray(1) };
}

/** Envoy looks for a list by its issuer's name: under another it would find none, and refuse every peer. */
function isSigned({ tbs, issuer, signature }: SignedParts, { signatureAlgorithm }: X509Crl, authority: Certificate): boolean {
  if (Buffer.compare(issuer, authority.subject) !== 0 || authority.keyUsage?.crlSign === false) return false;
  const hash = signatureAlgorithm.hash?.name.replace('-', '').toLowerCase() ?? null;
  try {
    return verify(hash, tbs, authority.x509.publicKey, signature);
  } catch {
    // A signature of another kind than this authority's key makes.
    return false;
  }
}
