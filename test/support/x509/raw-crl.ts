/** CRLs (RFC 5280, section 5) written byte by byte: sound ones, and every other way; signed after that, as whoever issues one signs what he wrote. */
import { constants, createPrivateKey, type KeyObject, sign } from 'node:crypto';
import { derChildren } from '../../../src/spiffe/x509/der.ts';
import { HOUR, type Issued, NOW } from './certificates.ts';
import { tlv } from './der-writer.ts';

type Bytes = Uint8Array | readonly number[];

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  nothing: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
} as const;

/** The content of object identifiers. */
export const OID = {
  crlNumber: [0x55, 29, 20],
  reasonCode: [0x55, 29, 21],
  invalidityDate: [0x55, 29, 24],
  deltaCrl: [0x55, 29, 27],
  distributionPoint: [0x55, 29, 28],
  certificateIssuer: [0x55, 29, 29],
  authorityKeyId: [0x55, 29, 35],
  unknown: [0x2a, 3, 4],
} as const;

const sequence = (...parts: readonly Bytes[]) => tlv(TAG.sequence, ...parts);
const nothing = tlv(TAG.nothing);
const oid = (hex: string) => tlv(TAG.oid, Buffer.from(hex, 'hex'));
const SHA_BYTES = { sha256: 32, sha384: 48, sha512: 64 } as const;
const SHA_OIDS = { sha256: '608648016503040201', sha384: '608648016503040202', sha512: '608648016503040203' } as const;

export interface Algorithm {
  /** AlgorithmIdentifier. */
  readonly identifier: Buffer;
  readonly hash: string | null;
  readonly saltLength?: number;
}

export const ECDSA_SHA256: Algorithm = { identifier: sequence(oid('2a8648ce3d040302')), hash: 'sha256' };
export const ECDSA_SHA384: Algorithm = { identifier: sequence(oid('2a8648ce3d040303')), hash: 'sha384' };
export const ECDSA_SHA512: Algorithm = { identifier: sequence(oid('2a8648ce3d040304')), hash: 'sha512' };
export const RSA_SHA1: Algorithm = { identifier: sequence(oid('2a864886f70d010105'), nothing), hash: 'sha1' };
export const RSA_SHA256: Algorithm = { identifier: sequence(oid('2a864886f70d01010b'), nothing), hash: 'sha256' };
export const RSA_SHA512: Algorithm = { identifier: sequence(oid('2a864886f70d01010d'), nothing), hash: 'sha512' };
export const ED25519: Algorithm = { identifier: sequence(oid('2b6570')), hash: null };

/** @param salt default: as long as the hash */
export function rsaPss(hash: keyof typeof SHA_BYTES, salt: number = SHA_BYTES[hash], mask = hash): Algorithm {
  const hashOf = (name: keyof typeof SHA_BYTES) => sequence(oid(SHA_OIDS[name]), nothing);
  const parameters = sequence(
    tlv(0xa0, hashOf(hash)),
    tlv(0xa1, sequence(oid('2a864886f70d010108'), hashOf(mask))),
    tlv(0xa2, tlv(TAG.integer, [salt])),
  );
  return { identifier: sequence(oid('2a864886f70d01010a'), parameters), hash, saltLength: salt };
}

/** Parts of a TBSCertList, each with its tag and length; null: without it. */
export interface RawCrl {
  readonly version?: Bytes | null;
  /** With which it is signed. Default: ECDSA with SHA-256. */
  readonly algorithm?: Algorithm;
  /** A Name. Default: the signer's. */
  readonly issuer?: Bytes;
  readonly thisUpdate?: Bytes;
  readonly nextUpdate?: Bytes | null;
  /** Default: no revokedCertificates. */
  readonly entries?: readonly Uint8Array[];
  /** Default: none. */
  readonly extensions?: readonly Bytes[];
}

/** A CRL, current around NOW. */
export function rawCrl(signer: Issued, wish: RawCrl = {}): Buffer {
  const {
    version = [TAG.integer, 1, 1],
    algorithm = ECDSA_SHA256,
    issuer = signer.certificate.subjectName.toArrayBuffer(),
  } = wish;
  const { thisUpdate = utcTime(NOW - HOUR), nextUpdate = utcTime(NOW + HOUR), entries, extensions } = wish;
  const tbs = sequence(
    version ?? [],
    algorithm.identifier,
    issuer instanceof ArrayBuffer ? new Uint8Array(issuer) : issuer,
    thisUpdate,
    nextUpdate ?? [],
    entries === undefined ? [] : sequence(Buffer.concat(entries)),
    extensions === undefined ? [] : tlv(0xa0, sequence(...extensions)),
  );
  return signedCrl(keyOf(signer), tbs, algorithm);
}

/** @param tbs whatever it is that is signed */
export function signedCrl(key: KeyObject, tbs: Buffer, { identifier, hash, saltLength }: Algorithm): Buffer {
  const pss = saltLength === undefined ? {} : { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength };
  return sequence(tbs, identifier, tlv(TAG.bitString, [0], sign(hash, tbs, { key, ...pss })));
}

export function keyOf({ privateKey }: Issued): KeyObject {
  return createPrivateKey({ key: privateKey, format: 'der', type: 'pkcs8' });
}

export function utcTime(ms: number): Buffer {
  return time(TAG.utcTime, `${digits(ms).slice(2)}Z`);
}

export function generalizedTime(ms: number): Buffer {
  return time(TAG.generalizedTime, `${digits(ms)}Z`);
}

export function time(tag: number, text: string): Buffer {
  return tlv(tag, Buffer.from(text));
}

/** YYYYMMDDhhmmss */
function digits(ms: number): string {
  return new Date(ms).toISOString().replaceAll(/\D/g, '').slice(0, 14);
}

/** @param critical default: left out, which means that it is not */
export function extension(type: readonly number[], value: Bytes, critical?: boolean): Buffer {
  return sequence(
    tlv(TAG.oid, type),
    critical === undefined ? [] : tlv(TAG.boolean, [critical ? 0xff : 0]),
    tlv(TAG.octetString, value),
  );
}

/** An entry that revokes a certificate. */
export function entryOf({ der: certificate }: Issued, date: Bytes = utcTime(NOW - HOUR), extensions?: readonly Bytes[]): Buffer {
  return entry(serialOf(certificate), date, extensions);
}

/** @param serial INTEGER, with its tag and length */
export function entry(serial: Bytes, date: Bytes = utcTime(NOW - HOUR), extensions?: readonly Bytes[]): Buffer {
  return sequence(serial, date, extensions === undefined ? [] : sequence(...extensions));
}

/** Entries that revoke nobody there is. */
export function entries(count: number): readonly Buffer[] {
  const date = utcTime(NOW - HOUR);
  return Array.from({ length: count }, (_, index) => {
    const serial = Buffer.alloc(16);
    serial.writeUInt32BE(index, 9);
    serial[0] = 0x40;
    return entry(tlv(TAG.integer, serial), date);
  });
}

/** INTEGER, with its tag and length. */
export function serialOf(certificate: Uint8Array): Uint8Array {
  const [, serial] = derChildren(derChildren(certificate)[0]?.bytes ?? new Uint8Array());
  return serial?.bytes ?? new Uint8Array();
}
