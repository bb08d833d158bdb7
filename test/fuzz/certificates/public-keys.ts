/** Public keys as few issuers write them: of other kinds, curves and sizes, or in another form. RFC 5480, RFC 8017. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { bitString, NULL, oid, sequence, TAG, tlv } from '../../support/x509/der-writer.ts';

const spki = ({ publicKey }: { readonly publicKey: KeyObject }) => publicKey.export({ type: 'spki', format: 'der' });
const curve = (namedCurve: string) => spki(generateKeyPairSync('ec', { namedCurve }));

const EC = sequence(oid('1.2.840.10045.2.1'), oid('1.2.840.10045.3.1.7'));
const RSA = sequence(oid('1.2.840.113549.1.1.1'), NULL);
const P256_POINT = curve('P-256').subarray(-65);
const COMPRESSED = Buffer.concat([Uint8Array.of(2 + ((P256_POINT.at(-1) ?? 0) & 1)), P256_POINT.subarray(1, 33)]);
const HYBRID = Buffer.concat([Uint8Array.of(6 + ((P256_POINT.at(-1) ?? 0) & 1)), P256_POINT.subarray(1)]);

function rsa(modulusBytes: number, exponent: readonly number[]): Buffer {
  const modulus = Buffer.concat([Uint8Array.of(0), Buffer.alloc(modulusBytes, 0xc5)]);
  return sequence(RSA, bitString(sequence(tlv(TAG.integer, modulus), tlv(TAG.integer, Uint8Array.from(exponent)))));
}

export const ODD_PUBLIC_KEYS: readonly Uint8Array[] = [
  sequence(EC, bitString(COMPRESSED)),
  sequence(EC, bitString(HYBRID)),
  sequence(EC, bitString(P256_POINT.subarray(0, -1))),
  sequence(EC, bitString(Buffer.concat([P256_POINT.subarray(0, -1), Uint8Array.of((P256_POINT.at(-1) ?? 0) ^ 1)]))),
  sequence(EC, bitString(Uint8Array.of(0))),
  spki(generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' })),
  ...['P-224', 'secp256k1', 'brainpoolP256r1', 'sect233k1'].map(curve),
  spki(generateKeyPairSync('x25519')),
  spki(generateKeyPairSync('ed448')),
  spki(generateKeyPairSync('rsa-pss', { modulusLength: 1024 })),
  rsa(64, [1, 0, 1]),
  rsa(128, [1, 0, 1]),
  rsa(256, [3]),
  rsa(256, [1]),
  rsa(256, [2]),
  rsa(256, [0]),
  rsa(256, [0x81]),
  rsa(256, [1, 0, 0, 0, 1]),
  rsa(256, [0x11, ...Buffer.alloc(63, 0x33)]),
  rsa(1024, [1, 0, 1]),
  rsa(2048, [1, 0, 1]),
  rsa(2049, [1, 0, 1]),
  sequence(sequence(oid('1.2.3.4')), bitString(Buffer.from('a key of nobody knows what kind'))),
];
