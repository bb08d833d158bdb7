/** A certificate as a tree that can be changed anywhere and written again, with whatever the tags and lengths then claim. */
import { elementsOf } from '../../../src/spiffe/x509/der.ts';
import { lengthOf, TAG } from '../../support/x509/der-writer.ts';

export interface DerNode {
  /** More bytes than one: a high tag number. */
  tag: Uint8Array;
  /** Of what has none, its bytes. */
  content: Uint8Array;
  /** Elements that this is made of; of a string, those that are encoded in it. */
  children: DerNode[] | undefined;
  /** Between the length and the elements: how many bits of a BIT STRING do not count. */
  lead: Uint8Array;
  /** Written instead of the right length. */
  length: ((right: number) => Uint8Array) | undefined;
  /** What comes after it. */
  tail: Uint8Array;
}

const NOTHING = Buffer.alloc(0);
const CONSTRUCTED = 0x20;

export function leafNode(tag: number, content: Uint8Array): DerNode {
  return { tag: Uint8Array.of(tag), content, children: undefined, lead: NOTHING, length: undefined, tail: NOTHING };
}

/** @param der one sound element */
export function readTree(der: Uint8Array): DerNode {
  const [root] = elementsOf(der);
  if (root === undefined) throw new Error('there is nothing');
  const node = leafNode(root.tag, root.content);
  const inner = root.tag === TAG.bitString ? root.content.subarray(1) : root.content;
  if ((root.tag & CONSTRUCTED) !== 0) node.children = elementsOf(root.content).map(({ bytes }) => readTree(bytes));
  else if (root.tag === TAG.octetString || root.tag === TAG.bitString) {
    node.children = encoded(inner);
    if (node.children !== undefined) node.lead = root.content.subarray(0, root.content.length - inner.length);
  }
  return node;
}

/** What is DER in a string: an extension's value, a signature, a key. */
function encoded(bytes: Uint8Array): DerNode[] | undefined {
  if (bytes[0] !== TAG.sequence && bytes[0] !== TAG.bitString && bytes[0] !== TAG.octetString) return undefined;
  try {
    return elementsOf(bytes).map((element) => readTree(element.bytes));
  } catch {
    return undefined;
  }
}

export function writeTree(node: DerNode): Buffer {
  const content = contentOf(node);
  const length = node.length?.(content.length) ?? lengthOf(content.length);
  return Buffer.concat([node.tag, length, content, node.tail]);
}

export function contentOf({ children, lead, content }: DerNode): Buffer {
  return children === undefined ? Buffer.from(content) : Buffer.concat([lead, ...children.map(writeTree)]);
}

/** The node and all below it. */
export function nodesOf(node: DerNode): readonly DerNode[] {
  return [node, ...(node.children ?? []).flatMap(nodesOf)];
}
