/** How a CRL is signed: mostly as it should be. */
import { tlv } from '../../support/x509/der-writer.ts';
import { type Algorithm, ECDSA_SHA384, RSA_SHA256, rsaPss, signedCrl, TAG } from '../../support/x509/raw-crl.ts';
import type { Random } from '../random.ts';
import { leaf, parseTree, writeTree } from './der-tree.ts';
import { flipped } from './odd-values.ts';
import type { Seed } from './seeds.ts';

const SEQUENCE = 0x30;

/** @param story is told what is odd about it */
export function signedSomehow({ key, algorithm, crl }: Seed, tbs: Buffer, random: Random, story: string[]): Buffer {
  const how = random.below(12);
  if (how === 0) {
    const other = random.of(otherAlgorithms(algorithm));
    story.push(`signed with ${other.identifier.toString('hex')}`);
    const swapped =
      random.below(2) === 0
        ? tbs
        : Buffer.from(
            tbs.toString('latin1').replace(algorithm.identifier.toString('latin1'), other.identifier.toString('latin1')),
            'latin1',
          );
    return withFittedLength(
      swapped,
      (bytes) => signedOr(key, bytes, { ...algorithm, identifier: other.identifier }, crl),
      (bytes) => signedOr(key, bytes, other, crl),
      random,
    );
  }
  const signed = signedOr(key, tbs, algorithm, crl);
  if (how !== 1) return signed;
  const [whole] = parseTree(signed);
  const parts = whole?.children;
  const signature = parts?.[2];
  if (whole === undefined || parts === undefined || signature === undefined) return signed;
  const what = random.of(['unused bits', 'a byte more', 'another', 'a fourth part', 'behind'] as const);
  story.push(`signature: ${what}`);
  if (what === 'unused bits') signature.content[0] = 1 + random.below(7);
  if (what === 'a byte more') signature.content = Buffer.concat([signature.content, Uint8Array.of(0)]);
  if (what === 'another') signature.content = flipped(signature.content, random);
  if (what === 'a fourth part') parts.push(leaf(TAG.nothing, new Uint8Array()));
  const bytes = writeTree([whole]);
  return what === 'behind' ? Buffer.concat([bytes, Uint8Array.of(5, 0)]) : bytes;
}

function signedOr(key: Seed['key'], tbs: Buffer, algorithm: Algorithm, instead: Buffer): Buffer {
  try {
    return signedCrl(key, tbs, algorithm);
  } catch {
    // This key cannot sign so.
    return instead;
  }
}

/** What was replaced by something longer or shorter is wrapped again. */
function withFittedLength(tbs: Buffer, one: (tbs: Buffer) => Buffer, other: (tbs: Buffer) => Buffer, random: Random): Buffer {
  const start = 2 + ((tbs[1] ?? 0) < 0x80 ? 0 : (tbs[1] ?? 0) & 0x7f);
  return (random.below(2) === 0 ? one : other)(tlv(SEQUENCE, tbs.subarray(start)));
}

function otherAlgorithms({ identifier, hash }: Algorithm): readonly Algorithm[] {
  const [oid, parameters] = parseTree(identifier)[0]?.children ?? [];
  const bare = oid === undefined ? identifier : tlv(SEQUENCE, writeTree([oid]));
  const withNull = oid === undefined ? identifier : tlv(SEQUENCE, writeTree([oid]), [5, 0]);
  const withBoth =
    parameters === undefined || oid === undefined ? identifier : tlv(SEQUENCE, writeTree([oid, parameters]), [5, 0]);
  const same = (other: Buffer): Algorithm => ({ identifier: other, hash });
  return [
    same(bare),
    same(withNull),
    same(withBoth),
    same(tlv(SEQUENCE)),
    ECDSA_SHA384,
    RSA_SHA256,
    rsaPss('sha256'),
    rsaPss('sha384'),
    rsaPss('sha256', 20),
    rsaPss('sha256', 0),
    rsaPss('sha256', 32, 'sha512'),
    rsaPss('sha512', 32),
    { identifier: tlv(SEQUENCE, tlv(TAG.oid, Buffer.from('2a864886f70d010104', 'hex')), [5, 0]), hash: 'md5' },
    { identifier: tlv(SEQUENCE, tlv(TAG.oid, Buffer.from('2a864886f70d01010e', 'hex')), [5, 0]), hash: 'sha224' },
    { identifier: tlv(SEQUENCE, tlv(TAG.oid, Buffer.from('2a8648ce3d0401', 'hex'))), hash: 'sha1' },
    { identifier: tlv(SEQUENCE, tlv(TAG.oid, Buffer.from('2a8648ce3d040301', 'hex'))), hash: 'sha224' },
  ];
}
