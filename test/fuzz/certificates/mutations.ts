/** What can be wrong with the encoding of a certificate, each kind apart. X.690, X.509 and RFC 5280 say how it ought to be. */
import { bitString, boolean, context, lengthOf, NULL, octetString, oid, sequence, TAG } from '../../support/x509/der-writer.ts';
import type { Random } from '../random.ts';
import { contentOf, type DerNode, leafNode, readTree, writeTree } from './der-tree.ts';
import {
  ALGORITHMS,
  ELEMENTS,
  EXTENSION_OIDS,
  INTEGERS,
  OIDS,
  PARAMETERS,
  STRING_TAGS,
  STRINGS,
  TIMES,
  UNIQUE_IDS,
  VERSIONS,
} from './odd-values.ts';
import {
  any,
  changeExtensions,
  changeFields,
  chosen,
  copyOf,
  is,
  isAlgorithm,
  isString,
  leaves,
  type Mutation,
  parents,
  raw,
  setTag,
} from './places.ts';
import { ODD_PUBLIC_KEYS } from './public-keys.ts';

export interface Mutant {
  readonly der: Buffer;
  /** The kinds of mutation that made it. */
  readonly kinds: readonly string[];
}

const CONSTRUCTED = 0x20;
/** By the names under which a report counts them. */
export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'another tag': any((node, random) => setTag(node, random.below(256))),
  'another string type': leaves((node, random) => setTag(node, random.of(STRING_TAGS)), isString),
  'another class': any((node, random) => setTag(node, (node.tag[0] ?? 0) ^ random.of([0x40, 0x80, 0xc0]))),
  'the constructed bit': any((node) => setTag(node, (node.tag[0] ?? 0) ^ CONSTRUCTED)),
  'a high tag number': any((node, random) => {
    const number = random.of([[0x1f], [0x81, 0], [0x80, 1], [3], [0x9f, 0x1f]]);
    node.tag = Uint8Array.of(random.below(8) * 32 + 31, ...number);
  }),
  'a constructed string': leaves((node) => {
    const half = Math.ceil(node.content.length / 2);
    const tag = (node.tag[0] ?? 0) & 0x1f;
    const parts = [node.content.subarray(0, half), node.content.subarray(half)];
    node.children = parts.map((part) => leafNode(tag, part));
    setTag(node, (node.tag[0] ?? 0) | CONSTRUCTED);
  }),
  'a length not the shortest': any((node, random) => {
    const zeros = Buffer.alloc(random.below(3));
    node.length = (right) => {
      const [first = 0, ...rest] = lengthOf(right);
      if (rest.length === 0) return Uint8Array.of(0x81 + zeros.length, ...zeros, first);
      return Uint8Array.of(first + zeros.length + 1, 0, ...zeros, ...rest);
    };
  }),
  'an indefinite length': any((node) => {
    node.length = () => Uint8Array.of(0x80);
    node.tail = Uint8Array.of(0, 0);
  }),
  'a length that is wrong': any((node, random) => {
    const off = random.of([1, -1, 2, 100]);
    node.length = (right) => lengthOf(Math.max(0, right + off));
  }),
  'another byte': leaves((node, random) => {
    if (node.content.length === 0) return;
    node.content = Uint8Array.from(node.content);
    const at = random.of([0, node.content.length - 1, random.below(node.content.length)]);
    node.content[at] = random.of([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
  }),
  'a byte more': leaves((node, random) => {
    const at = random.below(node.content.length + 1);
    node.content = Buffer.concat([node.content.subarray(0, at), random.bytes(1), node.content.subarray(at)]);
  }),
  'a byte less': leaves((node, random) => {
    const at = random.below(node.content.length);
    node.content = Buffer.concat([node.content.subarray(0, at), node.content.subarray(at + 1)]);
  }),
  'no content': any((node) => {
    node.children = undefined;
    node.content = new Uint8Array();
  }),
  'an element less': parents((children, random) => children.splice(random.below(children.length), 1)),
  'an element twice': parents((children, random) => {
    const at = random.below(children.length);
    children.splice(at, 0, copyOf(children[at]));
  }),
  'two elements changed over': parents((children, random) => {
    const [a, b] = [random.below(children.length), random.below(children.length)];
    [children[a], children[b]] = [children[b] as DerNode, children[a] as DerNode];
  }),
  'an element more': parents((children, random) =>
    children.splice(random.below(children.length + 1), 0, raw(random.of(ELEMENTS))),
  ),
  'bytes after the last element': any((node, random) => {
    node.children?.push(raw(random.of([NULL, Uint8Array.of(0), Uint8Array.of(0, 0), Uint8Array.of(0x30)])));
  }),
  'an odd time': leaves(
    (node, random) => {
      node.content = Buffer.from(random.of(TIMES));
      if (random.below(4) > 0) setTag(node, node.content.length > 13 ? TAG.generalizedTime : TAG.utcTime);
    },
    (tag) => tag === TAG.utcTime || tag === TAG.generalizedTime,
  ),
  'an odd boolean': leaves((node, random) => {
    node.content = Uint8Array.from(random.of([[1], [0], [0x80], [], [0xff, 0xff], [0xfe]]));
  }, is(TAG.boolean)),
  'an odd integer': leaves((node, random) => {
    node.content = Uint8Array.from(random.of([...INTEGERS, [0, ...node.content], [0xff, ...node.content]]));
  }, is(TAG.integer)),
  'an odd object identifier': leaves((node, random) => {
    const { content } = node;
    node.content = Uint8Array.from(
      random.of([...OIDS, [...content, 0x80], [0x80, ...content], [...content, 0x80, 1], [...content.subarray(0, -1), 0xff]]),
    );
  }, is(TAG.oid)),
  'an odd bit string': (root, random) => {
    const node = chosen(root, random, (found) => found.tag[0] === TAG.bitString);
    if (node === undefined) return false;
    const content = contentOf(node);
    node.children = undefined;
    node.content = random.of(
      [
        [random.below(10), ...content.subarray(1)],
        [random.below(8), ...content.subarray(1), 0],
        [random.below(8), ...content.subarray(1), 0xff],
        [random.below(9)],
        [],
      ].map((bytes) => Uint8Array.from(bytes)),
    );
    return true;
  },
  'an odd string': leaves((node, random) => {
    node.content = Uint8Array.from(random.of(STRINGS));
    if (random.below(2) > 0) setTag(node, random.of(STRING_TAGS.slice(0, 12)));
  }, isString),
  'other parameters of an algorithm': (root, random) => {
    const node = chosen(root, random, isAlgorithm);
    const parameters = random.of(PARAMETERS);
    node?.children?.splice(1, 1, ...(parameters === undefined ? [] : [raw(parameters)]));
    return node !== undefined;
  },
  'another algorithm': (root, random) => {
    const node = chosen(root, random, isAlgorithm);
    node?.children?.splice(0, 1, raw(oid(random.of(ALGORITHMS))));
    return node !== undefined;
  },
  'another public key': (root, random) => {
    const node = root.children?.[0]?.children?.find(({ children }) => children?.[1]?.tag[0] === TAG.bitString);
    if (node !== undefined) Object.assign(node, raw(random.of(ODD_PUBLIC_KEYS)));
    return node !== undefined;
  },
  'another version': (root, random) => {
    const version = random.of(VERSIONS);
    return changeFields(root, (fields) => {
      if (fields[0]?.tag[0] === 0xa0) fields.shift();
      if (version !== undefined) fields.unshift(raw(context(0, version, ...(random.below(10) === 0 ? [NULL] : []))));
    });
  },
  'odd unique ids': (root, random) =>
    changeFields(root, (fields) => {
      const at = fields.findIndex(({ tag }) => tag[0] === 0xa3);
      fields.splice(
        at === -1 ? fields.length : at,
        0,
        ...Array.from({ length: 1 + random.below(2) }, () => raw(random.of(UNIQUE_IDS))),
      );
    }),
  'an odd extension': (root, random) =>
    changeExtensions(root, (list) => {
      const values = [
        NULL,
        sequence(),
        new Uint8Array(),
        octetString(Uint8Array.of(1)),
        bitString(Uint8Array.of(6), 1),
        random.bytes(5),
      ];
      const critical = random.of([[], [boolean(true)], [boolean(false)], [Uint8Array.of(1, 1, 1)], [NULL]]);
      list.splice(
        random.below(list.length + 1),
        0,
        raw(sequence(oid(random.of(EXTENSION_OIDS)), ...critical, octetString(random.of(values)))),
      );
    }),
  'extensions in another order': (root) => changeExtensions(root, (list) => list.reverse()),
  'no extensions in the list': (root) => changeExtensions(root, (list) => list.splice(0)),
  'an empty relative name': (root, random) => {
    const node = chosen(root, random, ({ tag }) => tag[0] === TAG.set);
    if (node !== undefined) node.children = [];
    return node !== undefined;
  },
  'a value of a name that is no string': (root, random) => {
    const node = chosen(root, random, ({ tag, children }) => tag[0] === TAG.set && children?.[0]?.children !== undefined);
    const value = random.of([...ELEMENTS, ...PARAMETERS.slice(1), bitString(Uint8Array.of(1), random.below(3))]);
    node?.children?.[0]?.children?.splice(1, 1, raw(value as Uint8Array));
    return node !== undefined;
  },
};

const KINDS = Object.keys(MUTATIONS);

/** One mutation mostly, at times two or three. */
export function mutantOf(der: Uint8Array, random: Random): Mutant {
  const root = readTree(der);
  const kinds: string[] = [];
  const wanted = random.of([1, 1, 1, 1, 1, 1, 2, 2, 3]);
  while (kinds.length < wanted) {
    const kind = random.of(KINDS);
    if (MUTATIONS[kind]?.(root, random)) kinds.push(kind);
  }
  return { der: writeTree(root), kinds };
}
