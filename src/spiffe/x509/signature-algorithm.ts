/** Signature algorithms: AlgorithmIdentifier of RFC 5280, section 4.1.1.2, with the identifiers of RFC 3279, 4055, 5758 and 8410. */
import { constants, createVerify, type KeyObject, type VerifyKeyObjectInput, verify } from 'node:crypto';
import { type DerElement, derChildren } from './der.ts';
import type { Steps } from './steps.ts';

export interface SignatureAlgorithm {
  readonly keyType: 'rsa' | 'ec' | 'ed25519';
  /** node:crypto's name of the hash; null when the signature algorithm includes it (Ed25519). */
  readonly hash: string | null;
  /** The salt length of RSASSA-PSS in bytes. */
  readonly saltLength?: number;
}

/** How many bytes one step hashes. A step takes some milliseconds on a processor without SHA instructions. */
const STEP_BYTES = 1 << 20;

const TAG = { integer: 0x02, nothing: 0x05, oid: 0x06, sequence: 0x30 } as const;

/** The keys are object identifiers, DER in hexadecimal. */
const ALGORITHMS: ReadonlyMap<string, SignatureAlgorithm> = new Map([
  ['2a864886f70d010105', { keyType: 'rsa', hash: 'sha1' }],
  ['2a864886f70d01010e', { keyType: 'rsa', hash: 'sha224' }],
  ['2a864886f70d01010b', { keyType: 'rsa', hash: 'sha256' }],
  ['2a864886f70d01010c', { keyType: 'rsa', hash: 'sha384' }],
  ['2a864886f70d01010d', { keyType: 'rsa', hash: 'sha512' }],
  ['2a8648ce3d0401', { keyType: 'ec', hash: 'sha1' }],
  ['2a8648ce3d040301', { keyType: 'ec', hash: 'sha224' }],
  ['2a8648ce3d040302', { keyType: 'ec', hash: 'sha256' }],
  ['2a8648ce3d040303', { keyType: 'ec', hash: 'sha384' }],
  ['2a8648ce3d040304', { keyType: 'ec', hash: 'sha512' }],
  ['2b6570', { keyType: 'ed25519', hash: null }],
]);
const RSASSA_PSS = '2a864886f70d01010a';
const MGF1 = '2a864886f70d010108';
const HASHES: ReadonlyMap<string, { readonly name: string; readonly bytes: number }> = new Map([
  ['608648016503040201', { name: 'sha256', bytes: 32 }],
  ['608648016503040202', { name: 'sha384', bytes: 48 }],
  ['608648016503040203', { name: 'sha512', bytes: 64 }],
]);

/**
 * Reads an algorithm.
 * @param der an AlgorithmIdentifier, with its tag and length
 * @throws Error when the algorithm is unknown or has unexpected parameters
 */
export function readSignatureAlgorithm(der: Uint8Array): SignatureAlgorithm {
  const { oid, parameters } = identifierOf(der);
  if (oid === RSASSA_PSS) return pssOf(parameters);
  const algorithm = ALGORITHMS.get(oid);
  if (algorithm === undefined) throw new Error('it is signed with an algorithm that is not known here');
  // The parameters are NULL or absent. Verifiers accept both for each algorithm except Ed25519.
  const mayBeNull = algorithm.keyType !== 'ed25519' && isNull(parameters);
  if (parameters !== undefined && !mayBeNull) throw new Error('its signature algorithm has parameters');
  return algorithm;
}

/**
 * Verifies a signature in steps; false when the key does not fit the algorithm. The asynchronous functions of node:crypto copy the data
 * first, and that blocks the event loop for longer than one of these steps. Ed25519 takes only one step.
 */
export function* verifySteps(
  algorithm: SignatureAlgorithm,
  key: KeyObject,
  data: Uint8Array,
  signature: Uint8Array,
): Steps<boolean> {
  if (!isKeyFor(algorithm, key)) return false;
  try {
    if (algorithm.hash === null) return verify(null, data, key, signature);
    const verifier = createVerify(algorithm.hash);
    for (let from = 0; from < data.length; from += STEP_BYTES) {
      verifier.update(data.subarray(from, from + STEP_BYTES));
      if (from + STEP_BYTES < data.length) yield;
    }
    return verifier.verify(keyInput(algorithm, key), signature);
  } catch {
    // node:crypto throws when this key cannot have made the signature.
    return false;
  }
}

/** This must be checked, because node:crypto uses the algorithm of the key. */
function isKeyFor({ keyType }: SignatureAlgorithm, { asymmetricKeyType }: KeyObject): boolean {
  return asymmetricKeyType === keyType;
}

function keyInput({ saltLength }: SignatureAlgorithm, key: KeyObject): KeyObject | VerifyKeyObjectInput {
  return saltLength === undefined ? key : { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
}

/**
 * Reads RSASSA-PSS-params (RFC 4055, section 3.1). Only the combinations that BoringSSL accepts are allowed: the same hash in all places,
 * SHA-256 or stronger, and a salt as long as the hash.
 */
function pssOf(parameters: DerElement | undefined): SignatureAlgorithm {
  const [hash, mask, salt, ...more] = parameters?.tag === TAG.sequence ? derChildren(parameters.bytes) : [];
  if (hash?.tag !== 0xa0 || mask?.tag !== 0xa1 || salt?.tag !== 0xa2 || more.length > 0) throw new Error(UNUSUAL_PSS);
  const found = HASHES.get(hashOf(hash.content));
  const mgf = identifierOf(mask.content);
  if (found === undefined || mgf.oid !== MGF1 || mgf.parameters === undefined) throw new Error(UNUSUAL_PSS);
  if (HASHES.get(hashOf(mgf.parameters.bytes)) !== found) throw new Error(UNUSUAL_PSS);
  if (Buffer.compare(salt.content, Uint8Array.of(TAG.integer, 1, found.bytes)) !== 0) throw new Error(UNUSUAL_PSS);
  return { keyType: 'rsa', hash: found.name, saltLength: found.bytes };
}

const UNUSUAL_PSS = 'it is signed with RSASSA-PSS of a kind that BoringSSL does not take';

function hashOf(der: Uint8Array): string {
  const { oid, parameters } = identifierOf(der);
  return parameters === undefined || isNull(parameters) ? oid : '';
}

function identifierOf(der: Uint8Array): { readonly oid: string; readonly parameters: DerElement | undefined } {
  const [oid, parameters, ...more] = der[0] === TAG.sequence ? derChildren(der) : [];
  if (oid?.tag !== TAG.oid || more.length > 0) throw new Error('its signature algorithm is none');
  return { oid: Buffer.from(oid.content).toString('hex'), parameters };
}

function isNull(parameters: DerElement | undefined): boolean {
  return parameters?.tag === TAG.nothing && parameters.content.length === 0;
}
