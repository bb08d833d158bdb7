/** X.509 certificates from parts, each of which may be written in any odd way. RFC 5280, section 4.1. */
import { type KeyObject, sign } from 'node:crypto';
import { bitString, boolean, context, integer, octetString, oid, sequence, set, TAG, text, tlv } from './der-writer.ts';

/** Each the DER of a whole element; undefined: it is left out. */
export interface CertificateParts {
  readonly version?: Uint8Array | undefined;
  readonly serial?: Uint8Array;
  readonly signatureAlgorithm?: Uint8Array;
  readonly issuer?: Uint8Array;
  readonly notBefore?: Uint8Array;
  readonly notAfter?: Uint8Array;
  readonly subject?: Uint8Array;
  readonly publicKey?: Uint8Array;
  /** issuerUniqueID, subjectUniqueID and whatever else stands before the extensions. */
  readonly uniqueIds?: readonly Uint8Array[];
  /** Undefined: there is no list of extensions. */
  readonly extensions?: readonly Uint8Array[] | undefined;
}

/** How a key signs: its AlgorithmIdentifier, and the digest and options for node:crypto. */
export interface Signing {
  readonly algorithm: Uint8Array;
  readonly hash: string | null;
  readonly options?: { readonly padding: number; readonly saltLength: number };
}

export interface Keys {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export const VERSION_3 = context(0, integer(2));
export const ECDSA: Signing = { algorithm: sequence(oid('1.2.840.10045.4.3.2')), hash: 'sha256' };

/** A sound CA certificate around the parts that are given, signed with the key. */
export function buildCertificate(parts: CertificateParts, keys: Keys, signing: Signing = ECDSA): Buffer {
  const authority = name(commonName('authority'));
  const { version, extensions } = { version: VERSION_3, extensions: [BASIC_CONSTRAINTS, KEY_USAGE], ...parts };
  const algorithm = parts.signatureAlgorithm ?? signing.algorithm;
  const tbs = sequence(
    ...(version === undefined ? [] : [version]),
    parts.serial ?? integer(1),
    algorithm,
    parts.issuer ?? authority,
    sequence(parts.notBefore ?? utcTime('250101000000Z'), parts.notAfter ?? utcTime('490101000000Z')),
    parts.subject ?? authority,
    parts.publicKey ?? keys.publicKey.export({ type: 'spki', format: 'der' }),
    ...(parts.uniqueIds ?? []),
    ...(extensions === undefined ? [] : [context(3, sequence(...extensions))]),
  );
  const signature = sign(signing.hash, tbs, { key: keys.privateKey, ...signing.options });
  return sequence(tbs, algorithm, bitString(signature));
}

export const utcTime = (value: string) => text(TAG.utcTime, value);
export const generalizedTime = (value: string) => text(TAG.generalizedTime, value);

/** A distinguished name of one relative name for each attribute. */
export const name = (...attributes: readonly Uint8Array[]) => sequence(...attributes.map((attribute) => set(attribute)));
export const attribute = (type: string, value: Uint8Array) => sequence(oid(type), value);
export const commonName = (value: string) => attribute('2.5.4.3', text(TAG.utf8String, value));

export function extension(id: string, value: Uint8Array, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(value));
}

export const BASIC_CONSTRAINTS = extension('2.5.29.19', sequence(boolean(true)), true);
/** keyCertSign and cRLSign. */
export const KEY_USAGE = extension('2.5.29.15', bitString(Uint8Array.of(0x06), 1), true);
/** @param names GeneralNames, by their context tags */
export const subjectAltName = (...names: readonly Uint8Array[]) => extension('2.5.29.17', sequence(...names));
export const uri = (value: string) => tlv(0x86, Buffer.from(value, 'latin1'));
