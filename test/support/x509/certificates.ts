/** Certificates as they ought to be, and every other way. */
import 'reflect-metadata';
import type { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** The moment at which the certificates of these tests are valid. */
export const NOW = Date.UTC(2030, 0, 1, 12);
export const HOUR = 3_600_000;

const EC = { name: 'ECDSA', hash: 'SHA-256' };
const RSA = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]) };
const ALGORITHMS = {
  'P-256': { ...EC, namedCurve: 'P-256' },
  'P-384': { ...EC, namedCurve: 'P-384' },
  'P-521': { ...EC, namedCurve: 'P-521' },
  'RSA 1024': { ...RSA, modulusLength: 1024 },
  'RSA 2048': { ...RSA, modulusLength: 2048 },
  Ed25519: { name: 'Ed25519' },
} as const;

export const { digitalSignature, keyCertSign, cRLSign } = x509.KeyUsageFlags;

/** RFC 5280, section 5.2.4: the list has only what changed since list number 1. */
export const DELTA_CRL_INDICATOR = new x509.Extension('2.5.29.27', true, Uint8Array.of(2, 1, 1));

export interface Issued {
  /** Concatenates as the Workload API does. */
  readonly der: Buffer;
  /** PKCS#8 DER. */
  readonly privateKey: Buffer;
  readonly certificate: x509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

export interface Wish {
  /** Common name; certificates of one name are the same issuer. */
  readonly name?: string;
  /** Absent: self-signed. */
  readonly issuer?: Issued;
  /** Hexadecimal; absent: random. */
  readonly serial?: string;
  readonly key?: keyof typeof ALGORITHMS;
  /** Of another certificate. */
  readonly keys?: webcrypto.CryptoKeyPair;
  readonly uris?: readonly string[];
  readonly isCa?: boolean;
  readonly pathLength?: number;
  /** 0: without the extension. */
  readonly keyUsage?: number;
  /** Milliseconds since the epoch. */
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly extensions?: readonly x509.Extension[];
  /** Whether it has a subject key identifier. Default: no. */
  readonly withKeyId?: boolean;
  /** With which it is signed. Default SHA-256. */
  readonly hash?: Hash;
}

type Hash = 'SHA-256' | 'SHA-384' | 'SHA-512';

export interface CrlWish {
  /** Certificates that it revokes. */
  readonly revoked?: readonly Issued[];
  /** Milliseconds since the epoch. */
  readonly thisUpdate?: number;
  readonly nextUpdate?: number;
  /** Default: the name of who signs it. */
  readonly issuer?: Issued;
  readonly extensions?: readonly x509.Extension[];
  readonly hash?: Hash;
}

/** A CA of `example.org`, valid around NOW. */
export function issueAuthority(wish: Wish = {}): Promise<Issued> {
  return issue({ name: 'authority', uris: ['spiffe://example.org'], isCa: true, keyUsage: keyCertSign | cRLSign, ...wish });
}

/** A leaf with one SPIFFE ID, valid around NOW. */
export function issueLeaf(issuer: Issued, id: string, wish: Wish = {}): Promise<Issued> {
  return issue({ name: 'leaf', uris: [id], issuer, ...wish });
}

async function issue({ name, issuer, key = 'P-256', uris = [], keyUsage = digitalSignature, ...wish }: Wish): Promise<Issued> {
  const keys =
    wish.keys ?? ((await crypto.subtle.generateKey(ALGORITHMS[key], true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair);
  const signer = issuer?.keys.privateKey ?? keys.privateKey;
  const certificate = await x509.X509CertificateGenerator.create({
    ...(wish.serial !== undefined && { serialNumber: wish.serial }),
    subject: `CN=${name}`,
    issuer: issuer?.certificate.subject ?? `CN=${name}`,
    publicKey: keys.publicKey,
    signingKey: signer,
    signingAlgorithm: { ...signer.algorithm, hash: wish.hash ?? 'SHA-256' },
    notBefore: new Date(wish.notBefore ?? NOW - HOUR),
    notAfter: new Date(wish.notAfter ?? NOW + HOUR),
    extensions: [
      ...(uris.length === 0 ? [] : [sans('url', uris)]),
      new x509.BasicConstraintsExtension(wish.isCa ?? false, wish.pathLength, true),
      ...(keyUsage === 0 ? [] : [new x509.KeyUsagesExtension(keyUsage, true)]),
      ...(wish.withKeyId ? [await x509.SubjectKeyIdentifierExtension.create(keys.publicKey)] : []),
      ...(wish.extensions ?? []),
    ],
  });
  const privateKey = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey));
  return { der: Buffer.from(certificate.rawData), privateKey, certificate, keys };
}

/** A CRL (DER), current around NOW. */
export async function issueCrl(signer: Issued, { revoked = [], issuer = signer, ...wish }: CrlWish = {}): Promise<Buffer> {
  const crl = await x509.X509CrlGenerator.create({
    issuer: issuer.certificate.subjectName,
    thisUpdate: new Date(wish.thisUpdate ?? NOW - HOUR),
    nextUpdate: new Date(wish.nextUpdate ?? NOW + HOUR),
    // With a reason: without, it writes an empty list of extensions, which Envoy refuses.
    entries: revoked.map(({ certificate }) => ({
      serialNumber: certificate.serialNumber,
      revocationDate: new Date(NOW - HOUR),
      reason: x509.X509CrlReason.superseded,
    })),
    extensions: [...(wish.extensions ?? [])],
    signingKey: signer.keys.privateKey,
    signingAlgorithm: { ...signer.keys.privateKey.algorithm, hash: wish.hash ?? 'SHA-256' },
  });
  return Buffer.from(crl.rawData);
}

/** A list of names (subjectAltName) of one kind. */
export function sans(type: 'url' | 'dns', names: readonly string[]): x509.Extension {
  return new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type, value })));
}

export function concatenated(certificates: readonly Issued[]): Buffer {
  return Buffer.concat(certificates.map(({ der }) => der));
}
