/** A CRL bent out of shape here and there, and signed again: whoever issues one signs what he wrote. */
import { tlv } from '../../support/der-writer.ts';
import { type Algorithm, ECDSA_SHA384, extension, OID, RSA_SHA256, rsaPss, signedCrl, TAG, time } from '../../support/raw-crl.ts';
import type { Random } from '../random.ts';
import { leaf, type Node, nodesOf, parseTree, writeTree } from './der-tree.ts';
import type { Seed } from './seeds.ts';

export interface Mutant {
  readonly crl: Buffer;
  /** What was done to it. */
  readonly story: string;
}

type Mutation = (tbs: Node, random: Random, seed: Seed) => string | undefined;

const SEQUENCE = 0x30;
const SET = 0x31;
const TAGS = [
  1,
  2,
  3,
  4,
  5,
  6,
  0x0a,
  0x0c,
  0x13,
  0x14,
  0x16,
  0x17,
  0x18,
  0x1a,
  0x1c,
  0x1e,
  0x1f,
  0x24,
  SEQUENCE,
  SET,
  0x80,
  0xa0,
  0xa1,
];
const STRINGS: readonly (readonly [tag: number, write: (text: string) => Buffer])[] = [
  [0x0c, (text) => Buffer.from(text)],
  [0x13, (text) => Buffer.from(text, 'latin1')],
  [0x14, (text) => Buffer.from(text, 'latin1')],
  [0x16, (text) => Buffer.from(text, 'latin1')],
  [0x1a, (text) => Buffer.from(text, 'latin1')],
  [0x1b, (text) => Buffer.from(text, 'latin1')],
  [
    0x1c,
    (text) =>
      Buffer.from(text, 'utf16le')
        .swap16()
        .toString('latin1')
        .split('')
        .reduce(
          (all, _, i, letters) =>
            i % 2 === 0 ? Buffer.concat([all, Buffer.from(`\0\0${letters[i]}${letters[i + 1]}`, 'latin1')]) : all,
          Buffer.alloc(0),
        ),
  ],
  [0x1e, (text) => Buffer.from(text, 'utf16le').swap16()],
];
const TEXTS = [
  'Authority of Peers',
  'AUTHORITY OF PEERS',
  ' authority  of \tpeers ',
  '\nAuthority of Peers',
  'Authority ofPeers',
  'Authority of Peers\0',
  'Authority\u00a0of Peers',
  'Authority of P\u00e9ers',
  '',
  ' ',
];

const changes: readonly (readonly [name: string, change: Mutation])[] = [
  [
    'tag',
    (tbs, random) => {
      const { node } = anyOf(tbs, random);
      const before = node.tag;
      node.tag = random.below(8) === 0 ? random.below(256) : random.of(TAGS);
      return `${hex(before)} becomes ${hex(node.tag)}`;
    },
  ],
  [
    'leave out',
    (tbs, random) => {
      const { node, list } = anyOf(tbs, random);
      list.splice(list.indexOf(node), 1);
      return hex(node.tag);
    },
  ],
  [
    'twice',
    (tbs, random) => {
      const { node, list } = anyOf(tbs, random);
      list.splice(list.indexOf(node), 0, structuredCopy(node));
      return hex(node.tag);
    },
  ],
  [
    'swap',
    (tbs, random) => {
      const { node, list } = anyOf(tbs, random);
      const [at, other] = [list.indexOf(node), random.below(list.length)];
      [list[at], list[other]] = [list[other] as Node, node];
      return at === other ? undefined : `${at} and ${other}`;
    },
  ],
  [
    'length',
    (tbs, random) => {
      const { node } = anyOf(tbs, random);
      node.length = random.of(['padded', 'indefinite', 'one less', 'one more'] as const);
      return `${node.length} of ${hex(node.tag)}`;
    },
  ],
  [
    'content',
    (tbs, random) => {
      const { node } = anyLeaf(tbs, random);
      const before = node.content;
      node.content = random.of([
        () => Buffer.alloc(0),
        () => Buffer.concat([Uint8Array.of(0), before]),
        () => Buffer.concat([Uint8Array.of(0xff), before]),
        () => Buffer.concat([before, Uint8Array.of(random.below(256))]),
        () => before.subarray(0, -1),
        () => flipped(before, random),
        () => flipped(before, random),
        () => Buffer.alloc(random.of([1, 20, 21, 127, 128, 300]), random.of([0, 1, 0x7f, 0x80, 0xff])),
      ])();
      return `${hex(node.tag)} ${before.toString('hex').slice(0, 40)} becomes ${node.content.toString('hex').slice(0, 40)}`;
    },
  ],
  [
    'time',
    (tbs, random) => {
      const times = nodesOf([tbs]).filter(({ node }) => node.tag === TAG.utcTime || node.tag === TAG.generalizedTime);
      const { node } = random.of(times);
      const [tag, text] = random.of(timesLike(node, random));
      Object.assign(node, { tag, content: Buffer.from(text) });
      return `${hex(tag)} ${text}`;
    },
  ],
  [
    'extension',
    (tbs, random, seed) => {
      const list = extensionsOf(tbs);
      const one = random.of(listExtensions(seed));
      list.splice(random.below(list.length + 1), 0, ...parseTree(one));
      return one.toString('hex');
    },
  ],
  [
    'entry extension',
    (tbs, random) => {
      const entry = entryOf(tbs, random);
      if (entry?.children === undefined) return undefined;
      if (entry.children.length < 3) entry.children.push({ tag: SEQUENCE, content: Buffer.alloc(0), children: [] });
      const one = random.of(entryExtensions);
      entry.children[2]?.children?.push(...parseTree(one));
      return one.toString('hex');
    },
  ],
  [
    'critical',
    (tbs, random) => {
      const extensions = nodesOf([tbs]).filter(
        ({ node }) => node.children?.[0]?.tag === TAG.oid && node.children.some(({ tag }) => tag === TAG.octetString),
      );
      if (extensions.length === 0) return undefined;
      const { node } = random.of(extensions);
      const flag = random.of([[0xff], [1], [0], [], [0xff, 0xff]]);
      node.children?.splice(1, 0, leaf(TAG.boolean, Uint8Array.from(flag)));
      return `${node.children?.[0]?.content.toString('hex')} ${flag}`;
    },
  ],
  [
    'version',
    (tbs, random) => {
      const children = tbs.children ?? [];
      if (children[0]?.tag === TAG.integer) children.shift();
      const version = random.of([undefined, [0], [1], [2], [3], [0, 1], [0xff], [1, 0, 0, 0, 0, 0, 0, 0, 0]]);
      if (version !== undefined) children.unshift(leaf(TAG.integer, Uint8Array.from(version)));
      return String(version);
    },
  ],
  [
    'name',
    (tbs, random) => {
      const values = nodesOf([tbs]).filter(
        ({ list }) =>
          list[0]?.tag === TAG.oid &&
          list.length === 2 &&
          list[0].content.length === 3 &&
          list[0].content[0] === 0x55 &&
          list[0].content[1] === 4,
      );
      const found = values.find(({ node, list }) => node === list[1]);
      if (found === undefined) return undefined;
      const [tag, write] = random.of(STRINGS);
      const text = random.of(random.below(3) === 0 ? TEXTS : TEXTS.slice(0, 3));
      Object.assign(found.node, { tag, content: write(text), children: undefined });
      return `${hex(tag)} ${JSON.stringify(text)}`;
    },
  ],
  [
    'serial',
    (tbs, random) => {
      const entry = entryOf(tbs, random);
      const serial = entry?.children?.[0];
      if (serial === undefined) return undefined;
      const bytes = random.of([
        [0],
        [0, 0],
        [0xff],
        [0x80],
        [0, 0x80],
        [],
        [0, 1],
        [0xff, 0x80],
        Array<number>(21).fill(0x11),
        Array<number>(300).fill(0x11),
      ]);
      serial.content = Buffer.from(bytes);
      return String(bytes.slice(0, 4));
    },
  ],
  [
    'entries',
    (tbs, random) => {
      const list = entriesOf(tbs);
      if (list === undefined) return undefined;
      const how = random.of(['none', 'reversed', 'each twice'] as const);
      const children = list.children ?? [];
      list.children =
        how === 'none' ? [] : how === 'reversed' ? children.toReversed() : [...children, ...children.map(structuredCopy)];
      return how;
    },
  ],
];

/** @returns a mutant that is not the seed itself */
export function mutantOf(seed: Seed, random: Random): Mutant {
  for (;;) {
    const [whole] = parseTree(seed.crl);
    const tbs = whole?.children?.[0];
    if (tbs === undefined) throw new Error('the seed is no CRL');
    const story: string[] = [];
    for (let left = random.below(5) === 0 ? 3 : 1; left > 0; left--) {
      const [name, change] = random.of(changes);
      try {
        const told = change(tbs, random, seed);
        if (told !== undefined) story.push(`${name}: ${told}`);
      } catch {
        // There is nothing of the kind any more.
      }
    }
    const signed = signedSomehow(seed, writeTree([tbs]), random, story);
    if (story.length > 0 && !signed.equals(seed.crl)) return { crl: signed, story: `${seed.name}; ${story.join('; ')}` };
  }
}

/** Mostly as it should be. */
function signedSomehow({ key, algorithm, crl }: Seed, tbs: Buffer, random: Random, story: string[]): Buffer {
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

function timesLike({ tag, content }: Node, random: Random): readonly (readonly [number, string])[] {
  const text = content.toString('latin1');
  const utc = tag === TAG.utcTime ? text : text.slice(2);
  const full = tag === TAG.utcTime ? `20${text}` : text;
  const both = (change: (digits: string) => string) =>
    [
      [TAG.utcTime, change(utc)],
      [TAG.generalizedTime, change(full)],
    ] as const;
  const at = (from: number, digits: string) => (whole: string) => {
    const start = whole.length - 13 + from;
    return whole.slice(0, start) + digits + whole.slice(start + digits.length);
  };
  return [
    ...both((whole) => whole),
    ...both((whole) => whole.replace('Z', '+0000')),
    ...both((whole) => whole.replace('Z', '-0100')),
    ...both((whole) => whole.replace('Z', '.5Z')),
    ...both((whole) => whole.replace('Z', '.0Z')),
    ...both((whole) => whole.replace('Z', '')),
    ...both((whole) => whole.replace('Z', 'z')),
    ...both((whole) => `${whole.slice(0, -3)}Z`),
    ...both(at(2, '13')),
    ...both(at(2, '00')),
    ...both(at(2, '0230')),
    ...both(at(2, '0229')),
    ...both(at(2, '0431')),
    ...both(at(4, '00')),
    ...both(at(6, '24')),
    ...both(at(6, '235960')),
    ...both(at(8, '60')),
    ...both(at(0, '49')),
    ...both(at(0, '50')),
    ...both(at(0, '00')),
    [TAG.generalizedTime, '99991231235959Z'],
    [TAG.generalizedTime, '00000101000000Z'],
    [TAG.generalizedTime, '19491231235959Z'],
    [TAG.generalizedTime, '00991231235959Z'],
    [TAG.utcTime, '491231235959Z'],
    [TAG.utcTime, '500101000000Z'],
    [TAG.utcTime, flipped(Buffer.from(utc), random).toString('latin1')],
    [TAG.generalizedTime, flipped(Buffer.from(full), random).toString('latin1')],
  ];
}

function listExtensions({ authority }: Seed): readonly Buffer[] {
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

const entryExtensions: readonly Buffer[] = [
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

function extensionsOf(tbs: Node): Node[] {
  const children = tbs.children ?? [];
  if (children.at(-1)?.tag !== 0xa0)
    children.push({ tag: 0xa0, content: Buffer.alloc(0), children: [{ tag: SEQUENCE, content: Buffer.alloc(0), children: [] }] });
  return children.at(-1)?.children?.[0]?.children ?? [];
}

function entriesOf(tbs: Node): Node | undefined {
  return tbs.children?.findLast(({ tag, children }) => tag === SEQUENCE && children?.[0]?.tag === SEQUENCE);
}

function entryOf(tbs: Node, random: Random): Node | undefined {
  const list = entriesOf(tbs)?.children ?? [];
  return list.length === 0 ? undefined : random.of(list);
}

/** Parts high up are as likely as those within. */
function anyOf(tbs: Node, random: Random) {
  const list = tbs.children ?? [];
  const top = list.map((node) => ({ node, list }));
  return random.of(random.below(3) === 0 ? top : nodesOf(list).slice(0, 60));
}

function anyLeaf(tbs: Node, random: Random) {
  return random.of(
    nodesOf([tbs])
      .slice(0, 60)
      .filter(({ node }) => node.children === undefined),
  );
}

function flipped(bytes: Buffer, random: Random): Buffer {
  const changed = Buffer.from(bytes);
  const at = random.below(Math.max(1, changed.length));
  if (changed.length > 0) changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
  return changed;
}

function structuredCopy(node: Node): Node {
  return { ...node, ...(node.children !== undefined && { children: node.children.map(structuredCopy) }) };
}

function hex(byte: number): string {
  return `0x${byte.toString(16)}`;
}
