/** The certificate authority of one trust domain, for development: its keys live in memory and end with the process. */
import 'reflect-metadata';
import { createPrivateKey, randomBytes, type webcrypto, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { type SpiffeId, type TrustDomain, trustDomainId } from '../spiffe/spiffe-id.ts';
import { createJwtAuthority, type JwtAuthority } from './jwt.ts';

/** A certificate with the key that signs in its name. */
interface Signer {
  readonly certificate: x509.X509Certificate;
  readonly privateKey: webcrypto.CryptoKey;
}

export interface DevAuthority {
  readonly trustDomain: TrustDomain;
  /** Self-signed, ASN.1 DER: what the trust bundle holds. */
  readonly certificate: Uint8Array;
  /** The root first, then the intermediate if there is one; the last signs SVIDs. */
  readonly signers: readonly [Signer, ...Signer[]];
  readonly jwt: JwtAuthority;
  /** Milliseconds since the epoch. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface DevSvid {
  readonly spiffeId: SpiffeId;
  /** Concatenated ASN.1 DER, leaf first, without the root. */
  readonly chain: readonly Uint8Array[];
  /** PKCS#8, ASN.1 DER. */
  readonly privateKey: Uint8Array;
  /** Upper-case hexadecimal without separators. */
  readonly serial: string;
  readonly issuer: Signer;
}

/** When a certificate is made and how long it is to live, in milliseconds. */
export interface Lifetime {
  readonly now: number;
  readonly ttlMs: number;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const ORGANIZATION = { O: ['SPIFFE-SDS'] };
/** For peers whose clock is a little behind. */
const BACKDATE_MS = 10_000;

export async function createAuthority(trustDomain: TrustDomain, lifetime: Lifetime, intermediate = false): Promise<DevAuthority> {
  const root = await createSigner(trustDomain, lifetime);
  const jwt = await createJwtAuthority();
  return {
    trustDomain,
    certificate: new Uint8Array(root.certificate.rawData),
    signers: intermediate ? [root, await createSigner(trustDomain, lifetime, root)] : [root],
    jwt,
    notBefore: root.certificate.notBefore.getTime(),
    notAfter: root.certificate.notAfter.getTime(),
  };
}

/**
 * Issues an X509-SVID (X509-SVID specification, sections 2 and 4) that ends no later than its authority.
 * @param dnsNames stand beside the SPIFFE ID, and the first is the common name, as SPIRE does it
 */
export async function issueX509Svid(
  authority: DevAuthority,
  spiffeId: SpiffeId,
  lifetime: Lifetime,
  dnsNames: readonly string[] = [],
): Promise<DevSvid> {
  const issuer = authority.signers.at(-1) as Signer;
  const keys = await generateKeys();
  const serial = newSerial();
  const leaf = await x509.X509CertificateGenerator.create({
    serialNumber: serial,
    subject: [ORGANIZATION, ...dnsNames.slice(0, 1).map((name) => ({ CN: [name] }))],
    issuer: issuer.certificate.subjectName,
    ...validity({ now: lifetime.now, ttlMs: Math.min(lifetime.ttlMs, authority.notAfter - lifetime.now) }),
    publicKey: keys.publicKey,
    signingKey: issuer.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.SubjectAlternativeNameExtension([
        { type: 'url', value: spiffeId },
        ...dnsNames.map((value) => ({ type: 'dns', value }) as const),
      ]),
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.certificate),
    ],
  });
  const intermediates = authority.signers.slice(1).map((signer) => signer.certificate);
  return {
    spiffeId,
    chain: [leaf, ...intermediates].map((certificate) => new Uint8Array(certificate.rawData)),
    privateKey: new Uint8Array(await crypto.subtle.exportKey('pkcs8', keys.privateKey)),
    serial,
    issuer,
  };
}

/** A CRL (ASN.1 DER) of each certificate that signs for this authority, valid for as long as that one is. */
export function issueCrls(authority: DevAuthority, revoked: readonly DevSvid[], now: number): Promise<Uint8Array[]> {
  return Promise.all(
    authority.signers.map(async (signer) => {
      const crl = await x509.X509CrlGenerator.create({
        issuer: signer.certificate.subjectName,
        thisUpdate: new Date(now - BACKDATE_MS),
        nextUpdate: signer.certificate.notAfter,
        entries: revoked
          .filter((svid) => svid.issuer === signer)
          .map((svid) => ({
            serialNumber: svid.serial,
            revocationDate: new Date(now),
            reason: x509.X509CrlReason.cessationOfOperation,
          })),
        extensions: [await x509.AuthorityKeyIdentifierExtension.create(signer.certificate)],
        signingKey: signer.privateKey,
        signingAlgorithm: ALGORITHM,
      });
      return new Uint8Array(crl.rawData);
    }),
  );
}

export function certificatesPem(certificates: readonly Uint8Array[]): string {
  return certificates.map((der) => new X509Certificate(der).toString()).join('');
}

export function privateKeyPem(pkcs8: Uint8Array): string {
  const key = createPrivateKey({ key: Buffer.from(pkcs8), format: 'der', type: 'pkcs8' });
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

async function createSigner(trustDomain: TrustDomain, lifetime: Lifetime, parent?: Signer): Promise<Signer> {
  const keys = await generateKeys();
  const serial = newSerial();
  // A name of its own, so that no verifier takes the old authority for the new one.
  const subject = new x509.Name([ORGANIZATION, { '2.5.4.5': [serial] }]);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial,
    subject,
    issuer: parent?.certificate.subjectName ?? subject,
    ...validity(lifetime),
    publicKey: keys.publicKey,
    signingKey: parent?.privateKey ?? keys.privateKey,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: trustDomainId(trustDomain) }]),
      new x509.BasicConstraintsExtension(true, parent === undefined ? undefined : 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      await x509.AuthorityKeyIdentifierExtension.create(parent?.certificate ?? keys.publicKey),
    ],
  });
  return { certificate, privateKey: keys.privateKey };
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

function validity({ now, ttlMs }: Lifetime): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(now - BACKDATE_MS), notAfter: new Date(now + ttlMs) };
}

/** 126 random bits; positive and without leading zeros, so that every tool writes it alike. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] as number) & 0x3f) | 0x40;
  return bytes.toString('hex').toUpperCase();
}
