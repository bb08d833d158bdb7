import { TAG } from '../../support/x509/raw-crl.ts';
import type { Random } from '../random.ts';
import { leaf, type Node, nodesOf, parseTree, writeTree } from './der-tree.ts';
import { entryExtensions, listExtensions } from './odd-extensions.ts';
import { signedSomehow } from './odd-signatures.ts';
import { flipped, STRINGS, TEXTS, timesLike } from './odd-values.ts';
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

function structuredCopy(node: Node): Node {
  return { ...node, ...(node.children !== undefined && { children: node.children.map(structuredCopy) }) };
}

function hex(byte: number): string {
  return `0x${byte.toString(16)}`;
}
