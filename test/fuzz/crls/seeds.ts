/** Sound CRLs of many kinds, each with a peer whom it revokes and one whom it does not. */
import type { KeyObject } from 'node:crypto';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import type { Certificate } from '../../../src/spiffe/x509/certificate.ts';
import { derChildren } from '../../../src/spiffe/x509/der.ts';
import type { TlsIdentity } from '../../support/mesh/mtls-client.ts';
import { HOUR, type Issued, issueAuthority, issueLeaf, type Wish } from '../../support/x509/certificates.ts';
import { tlv } from '../../support/x509/der-writer.ts';
import {
  type Algorithm,
  ECDSA_SHA256,
  ECDSA_SHA384,
  ECDSA_SHA512,
  ED25519,
  entries,
  entryOf,
  extension,
  generalizedTime,
  keyOf,
  OID,
  type RawCrl,
  RSA_SHA1,
  RSA_SHA256,
  RSA_SHA512,
  rawCrl,
  rsaPss,
  TAG,
  utcTime,
} from '../../support/x509/raw-crl.ts';

export interface Seed {
  readonly name: string;
  readonly authority: Certificate;
  readonly algorithm: Algorithm;
  readonly key: KeyObject;
  readonly crl: Buffer;
  readonly good: TlsIdentity;
  readonly revoked: TlsIdentity;
  /** The content of the INTEGER. */
  readonly revokedSerial: Uint8Array;
}

interface Peers {
  readonly ca: Issued;
  readonly revoked: Issued;
}

type Kind = readonly [name: string, wish: Wish, crl: (peers: Peers) => RawCrl];

const number = extension(OID.crlNumber, tlv(TAG.integer, [7]));
const keyIdOf = ({ ca }: Peers) => extension(OID.authorityKeyId, tlv(TAG.sequence, tlv(0x80, skidOf(ca))));
const reason = (code: number) => extension(OID.reasonCode, tlv(TAG.enumerated, [code]));

/** @param now milliseconds since the epoch: real Envoys live in real time */
export async function crlSeeds(now: number): Promise<readonly Seed[]> {
  const date = utcTime(now - HOUR);
  const plain = ({ revoked }: Peers): RawCrl => ({ entries: [entryOf(revoked, date)] });
  const kinds: readonly Kind[] = [
    ['a plain one', {}, plain],
    ['with a number', {}, (peers) => ({ ...plain(peers), extensions: [number] })],
    ['with an authority key identifier', {}, (peers) => ({ ...plain(peers), extensions: [keyIdOf(peers), number] })],
    ['of version 1', {}, (peers) => ({ ...plain(peers), version: null })],
    ['without nextUpdate', {}, (peers) => ({ ...plain(peers), nextUpdate: null })],
    [
      'with GeneralizedTime',
      {},
      ({ revoked }) => ({ ...generalized(now), entries: [entryOf(revoked, generalizedTime(now - HOUR))] }),
    ],
    ['with a reason', {}, ({ revoked }) => ({ entries: [entryOf(revoked, date, [reason(1)])], extensions: [number] })],
    [
      'with a reason and an invalidity date',
      {},
      ({ revoked }) => ({
        entries: [entryOf(revoked, date, [reason(4), extension(OID.invalidityDate, generalizedTime(now - 2 * HOUR))])],
      }),
    ],
    ['with 200 entries', {}, ({ revoked }) => ({ entries: [...entries(200), entryOf(revoked, date)], extensions: [number] })],
    [
      'with a private extension',
      {},
      (peers) => ({ ...plain(peers), extensions: [extension(OID.unknown, tlv(TAG.nothing)), number] }),
    ],
    ['of P-384', { key: 'P-384' }, (peers) => ({ ...plain(peers), algorithm: ECDSA_SHA384 })],
    ['of P-256 with SHA-512', {}, (peers) => ({ ...plain(peers), algorithm: ECDSA_SHA512 })],
    ['of P-521', { key: 'P-521' }, (peers) => ({ ...plain(peers), algorithm: ECDSA_SHA512 })],
    ['of RSA', { key: 'RSA 2048' }, (peers) => ({ ...plain(peers), algorithm: RSA_SHA256, extensions: [keyIdOf(peers)] })],
    ['of RSA with SHA-512', { key: 'RSA 2048' }, (peers) => ({ ...plain(peers), algorithm: RSA_SHA512 })],
    ['of RSA with SHA-1', { key: 'RSA 2048' }, (peers) => ({ ...plain(peers), algorithm: RSA_SHA1 })],
    ['of RSA-PSS', { key: 'RSA 2048' }, (peers) => ({ ...plain(peers), algorithm: rsaPss('sha256') })],
    [
      'of RSA-PSS with SHA-512',
      { key: 'RSA 2048' },
      (peers) => ({ ...plain(peers), algorithm: rsaPss('sha512'), extensions: [number] }),
    ],
    ['of Ed25519', { key: 'Ed25519' }, (peers) => ({ ...plain(peers), algorithm: ED25519 })],
  ];
  return Promise.all(kinds.map((kind) => seedOf(kind, now)));
}

async function seedOf([name, wish, crlOf]: Kind, now: number): Promise<Seed> {
  const validity = { notBefore: now - 2 * HOUR, notAfter: now + 24 * HOUR };
  const ca = await issueAuthority({ name: 'Authority of Peers', ...validity, withKeyId: true, ...wish });
  const [good, revoked] = [await leafOf(ca, validity), await leafOf(ca, validity)];
  const raw = { thisUpdate: utcTime(now - HOUR), nextUpdate: utcTime(now + 12 * HOUR), ...crlOf({ ca, revoked }) };
  const [authority] = new CertificateReader().readAll(ca.der).certificates;
  if (authority === undefined) throw new Error(`the authority of ${name} does not parse`);
  return {
    name,
    authority,
    algorithm: raw.algorithm ?? ECDSA_SHA256,
    key: keyOf(ca),
    crl: rawCrl(ca, raw),
    good: identityOf(good),
    revoked: identityOf(revoked),
    revokedSerial: serialOf(revoked),
  };
}

const leafOf = (ca: Issued, validity: Wish) => issueLeaf(ca, 'spiffe://example.org/peer', validity);

function identityOf(issued: Issued): TlsIdentity {
  const key = keyOf(issued).export({ type: 'pkcs8', format: 'pem' });
  return { chainPem: issued.certificate.toString('pem'), keyPem: key.toString() };
}

function generalized(now: number): RawCrl {
  return { thisUpdate: generalizedTime(now - HOUR), nextUpdate: generalizedTime(now + HOUR) };
}

function serialOf({ der: certificate }: Issued): Uint8Array {
  return derChildren(derChildren(certificate)[0]?.bytes ?? new Uint8Array())[1]?.content ?? new Uint8Array();
}

function skidOf({ certificate }: Issued): Uint8Array {
  const value = certificate.getExtension('2.5.29.14')?.value;
  // OCTET STRING in the extension's own.
  return new Uint8Array(value ?? new ArrayBuffer(2)).subarray(2);
}
