/** Which keys Envoy can load, and with which it can verify peers. Observed on Envoy 1.36 – 1.40. */
import type { KeyObject } from 'node:crypto';
import type { Certificate } from '../spiffe/x509/certificate.ts';
import { derChildren } from '../spiffe/x509/der.ts';

const SEQUENCE = 0x30;

/** The keys of authorities that Envoy can use. It loads authorities with other keys, but refuses every peer whose certificate they signed. */
const VERIFIED: ReadonlySet<string> = new Set(['rsa', 'secp224r1', 'prime256v1', 'secp384r1', 'secp521r1', 'ed25519']);
const MIN_RSA_BITS = 2048;
/** The largest public exponent that BoringSSL reads. */
const MAX_RSA_EXPONENT = 2n ** 33n - 1n;
/** The keys of TLS certificates that Envoy loads, with node:crypto's names. It rejects an update that contains any other key. */
const LOADED: ReadonlySet<string> = new Set(['rsa', 'prime256v1', 'secp384r1', 'secp521r1', 'ed25519']);

/** Why Envoy would reject a TLS certificate with this key; undefined when it would accept it. */
export function leafKeyProblem({ x509: { publicKey } }: Certificate): string | undefined {
  const kind = kindOf(publicKey);
  if (!LOADED.has(kind)) return `its key is ${kind}, which Envoy does not load: use P-256 or RSA`;
  const { modulusLength: bits, publicExponent = 0n } = publicKey.asymmetricKeyDetails ?? {};
  if (publicExponent > MAX_RSA_EXPONENT)
    return 'the public exponent of its RSA key has more than 33 bits, which Envoy does not read: use 65537';
  if (bits !== undefined && bits < MIN_RSA_BITS) return `its RSA key has ${bits} bits, Envoy takes ${MIN_RSA_BITS} or more`;
  return undefined;
}

/** Warns about a key that Envoy loads but peers do not always accept; undefined when there is no problem. */
export function leafKeyWarning({ x509: { publicKey } }: Certificate): string | undefined {
  const kind = kindOf(publicKey);
  if (kind === 'ed25519' || kind === 'secp521r1')
    return `its key is ${kind}, which Envoy loads but does not accept from a peer: use P-256 or RSA`;
  if (kind === 'secp384r1') return 'its key is P-384: Envoy peers accept it with TLS 1.3 only, or with ecdh_curves set';
  return undefined;
}

/** Why Envoy cannot verify anything with the key of this authority; undefined when it can. */
export function authorityKeyWarning({ serial, spki, x509: { publicKey } }: Certificate): string | undefined {
  const kind = hasExplicitCurve(publicKey, spki) ? 'on a curve that is written out' : kindOf(publicKey);
  return VERIFIED.has(kind) ? undefined : `the key of its CA ${serial} is ${kind}: Envoy accepts nobody whom that CA has signed`;
}

/** Whether the key contains the parameters of its curve instead of the curve's name, which RFC 5480, section 2.1.1, forbids. */
function hasExplicitCurve(publicKey: KeyObject, spki: Uint8Array): boolean {
  if (publicKey.asymmetricKeyType !== 'ec') return false;
  const [algorithm] = derChildren(spki);
  return algorithm === undefined || derChildren(algorithm.bytes)[1]?.tag === SEQUENCE;
}

function kindOf({ asymmetricKeyDetails, asymmetricKeyType }: KeyObject): string {
  return asymmetricKeyDetails?.namedCurve ?? asymmetricKeyType ?? 'of an unknown kind';
}
