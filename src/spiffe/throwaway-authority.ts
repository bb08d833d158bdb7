/**
 * An authority whose key nobody has. A validation context with only this authority accepts nobody. It replaces withdrawn bundles, because
 * SDS has no way to remove a bundle from an Envoy.
 *
 * This file uses only node:crypto: a certificate library takes longer to load than the rest of the sidecar.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { tlv } from './x509/der-writer.ts';

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
  extensions: 0xa3,
} as const;
/** Object identifiers, DER. */
const ECDSA_WITH_SHA256 = Buffer.from('2a8648ce3d040302', 'hex');
const COMMON_NAME = Buffer.from('550403', 'hex');
const BASIC_CONSTRAINTS = Buffer.from('551d13', 'hex');
const KEY_USAGE = Buffer.from('551d0f', 'hex');

const NAME = sequence(tlv(TAG.set, sequence(oid(COMMON_NAME), text(TAG.utf8String, 'spiffe-sds trusts nobody'))));
/** Valid at all times, so that an Envoy's clock does not matter. The end means "no expiry" (RFC 5280, section 4.1.2.5). */
const VALIDITY = sequence(text(TAG.utcTime, '700101000000Z'), text(TAG.generalizedTime, '99991231235959Z'));
/** A CA without CAs below it, which may sign certificates and CRLs. */
const EXTENSIONS = tlv(
  TAG.extensions,
  sequence(
    criticalExtension(BASIC_CONSTRAINTS, sequence(tlv(TAG.boolean, [0xff]), tlv(TAG.integer, [0]))),
    criticalExtension(KEY_USAGE, tlv(TAG.bitString, [1, 0b0000_0110])),
  ),
);
const SERIAL_BYTES = 16;

/**
 * Makes a new authority and drops its private key.
 * @returns a self-signed CA certificate, DER
 */
export function makeThrowawayAuthority(): Uint8Array {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = sequence(oid(ECDSA_WITH_SHA256));
  const toBeSigned = sequence(
    tlv(TAG.version, tlv(TAG.integer, [2])),
    // The first byte 1 makes the number positive, without a leading zero byte (X.690, section 8.3.2).
    tlv(TAG.integer, [1], randomBytes(SERIAL_BYTES - 1)),
    algorithm,
    NAME,
    VALIDITY,
    NAME,
    publicKey.export({ type: 'spki', format: 'der' }),
    EXTENSIONS,
  );
  return sequence(toBeSigned, algorithm, tlv(TAG.bitString, [0], sign('sha256', toBeSigned, privateKey)));
}

function sequence(...content: readonly Uint8Array[]): Buffer {
  return tlv(TAG.sequence, ...content);
}

function oid(content: Uint8Array): Buffer {
  return tlv(TAG.oid, content);
}

function text(tag: number, value: string): Buffer {
  return tlv(tag, Buffer.from(value, 'latin1'));
}

function criticalExtension(name: Uint8Array, value: Uint8Array): Buffer {
  return sequence(oid(name), tlv(TAG.boolean, [0xff]), tlv(TAG.octetString, value));
}
