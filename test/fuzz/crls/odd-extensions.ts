/** Extensions of a CRL and of its entries, right and wrong ones. */
import { tlv } from '../../support/x509/der-writer.ts';
import { extension, OID, TAG, time } from '../../support/x509/raw-crl.ts';
import { parseTree, writeTree } from './der-tree.ts';
import type { Seed } from './seeds.ts';

const SEQUENCE = 0x30;
const SET = 0x31;

export function listExtensions({ authority }: Seed): readonly Buffer[] {
  const [certificate] = parseTree(authority.der);
  const fields = certificate?.children?.[0]?.children ?? [];
  const [serial, , issuer] = fields.slice(1);
  const serialBytes = serial?.content ?? Buffer.alloc(0);
  const issuerName = issuer === undefined ? Buffer.alloc(0) : writeTree([issuer]);
  const akid = (...parts: readonly (Uint8Array | readonly number[])[]) => tlv(SEQUENCE, ...parts);
  const names = tlv(0xa1, tlv(0xa4, issuerName));
  const wrongNames = tlv(0xa1, tlv(0xa4, tlv(SEQUENCE)));
  const akids = [
    akid(),
    akid(tlv(0x80)),
    akid(tlv(0x80, [1, 2, 3])),
    akid(names, tlv(0x82, serialBytes)),
    akid(tlv(0x82, serialBytes)),
    akid(names),
    akid(tlv(0x82, [9])),
    akid(wrongNames),
    akid(tlv(0xa1)),
    akid(tlv(0xa1, tlv(0x86, Buffer.from('http://x')))),
    akid(tlv(0xa1, tlv(0x82, [0xff]))),
    akid(tlv(0x82, [0, 1])),
    akid(tlv(0x83)),
    akid(tlv(0xa1, tlv(0xa4, issuerName), tlv(0xa4, tlv(SEQUENCE)))),
    akid(tlv(0x81, [1])),
    tlv(SET),
    tlv(4, [1]),
  ];
  const points = [
    akid(),
    akid(tlv(0x81, [0xff])),
    akid(tlv(0x82, [0xff])),
    akid(tlv(0x84, [0xff])),
    akid(tlv(0x83, [7, 0x80])),
    akid(tlv(0x85, [0xff])),
    akid(tlv(0xa0, tlv(0xa0, tlv(0x86, Buffer.from('http://x/crl'))))),
    akid(tlv(0x81, [0])),
    tlv(4),
  ];
  const other = [
    extension(OID.crlNumber, tlv(TAG.integer, [0xff])),
    extension(OID.crlNumber, tlv(4)),
    extension(OID.crlNumber, tlv(TAG.integer, Array<number>(30).fill(1))),
    extension(OID.deltaCrl, tlv(TAG.integer, [1]), true),
    extension(OID.deltaCrl, tlv(TAG.integer, [1])),
    extension(OID.unknown, [], true),
    extension(OID.unknown, []),
    extension(OID.unknown, [0xff], false),
    extension([], [5, 0]),
    extension([0x80, 1], [5, 0]),
    extension([0x2a, 0x83], [5, 0]),
    extension([0x55, 29, 46], tlv(SEQUENCE)),
    extension([0x55, 29, 18], tlv(SEQUENCE)),
    extension([0x55, 29, 18], [1]),
    extension([0x55, 29, 60], tlv(TAG.generalizedTime, [1])),
    extension(OID.reasonCode, tlv(TAG.enumerated, [1])),
    extension(OID.certificateIssuer, tlv(SEQUENCE)),
    extension([0x55, 29, 19], [1]),
    extension([0x55, 29, 15], [1]),
    extension([0x55, 29, 54], [1]),
  ];
  const each = (type: readonly number[], values: readonly Buffer[]) =>
    values.flatMap((value) => [extension(type, value), extension(type, value, true)]);
  return [
    ...each(OID.authorityKeyId, akids),
    ...each(OID.authorityKeyId, akids),
    ...each(OID.distributionPoint, points),
    ...other,
  ];
}

export const entryExtensions: readonly Buffer[] = [
  ...[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 127, 128, 255].map((code) => extension(OID.reasonCode, tlv(TAG.enumerated, [code]))),
  extension(OID.reasonCode, tlv(TAG.enumerated, [1]), true),
  extension(OID.reasonCode, tlv(TAG.enumerated, [0, 1])),
  extension(OID.reasonCode, tlv(TAG.enumerated, [1, 0])),
  extension(OID.reasonCode, tlv(TAG.enumerated)),
  extension(OID.reasonCode, tlv(TAG.integer, [1])),
  extension(OID.reasonCode, []),
  extension(OID.invalidityDate, time(TAG.generalizedTime, '20200101000000Z')),
  extension(OID.invalidityDate, time(TAG.generalizedTime, '20200101000000.5Z')),
  extension(OID.invalidityDate, [1]),
  extension(OID.certificateIssuer, tlv(SEQUENCE)),
  extension(OID.certificateIssuer, tlv(SEQUENCE, tlv(0xa4, tlv(SEQUENCE))), true),
  extension(OID.certificateIssuer, [1]),
  extension(OID.unknown, [], true),
  extension(OID.unknown, []),
  extension(OID.unknown, [], false),
  extension(OID.distributionPoint, tlv(SEQUENCE)),
  extension(OID.authorityKeyId, tlv(SEQUENCE, tlv(0x80, [1]))),
];
