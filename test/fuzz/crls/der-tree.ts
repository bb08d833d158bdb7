/** DER as a tree that can be bent out of shape and written again. */
import { elementsOf } from '../../../src/spiffe/x509/der.ts';
import { lengthOf } from '../../support/x509/der-writer.ts';

export interface Node {
  tag: number;
  /** Absent: it has `content`. */
  children?: Node[];
  content: Buffer;
  /** How its length is written. Default: as short as can be. */
  length?: 'padded' | 'indefinite' | 'one less' | 'one more';
}

const CONSTRUCTED = 0x20;
const OCTET_STRING = 0x04;

/** Octet strings are opened, too, where they hold DER. */
export function parseTree(bytes: Uint8Array): Node[] {
  return elementsOf(bytes).map(({ tag, content }) => {
    const mayHold = (tag & CONSTRUCTED) !== 0 || (tag === OCTET_STRING && content.length > 0);
    const children = mayHold ? opened(content) : undefined;
    return { tag, content: Buffer.from(content), ...(children !== undefined && { children }) };
  });
}

export function writeTree(nodes: readonly Node[]): Buffer {
  return Buffer.concat(nodes.map(write));
}

/** All nodes, each with the list it stands in. */
export function nodesOf(list: Node[]): readonly { readonly node: Node; readonly list: Node[] }[] {
  return list.flatMap((node) => [{ node, list }, ...(node.children === undefined ? [] : nodesOf(node.children))]);
}

export function leaf(tag: number, content: Uint8Array): Node {
  return { tag, content: Buffer.from(content) };
}

function opened(content: Uint8Array): Node[] | undefined {
  try {
    return parseTree(content);
  } catch {
    return undefined;
  }
}

function write({ tag, children, content, length }: Node): Buffer {
  const body = children === undefined ? content : writeTree(children);
  const end = length === 'indefinite' ? Buffer.alloc(2) : Buffer.alloc(0);
  return Buffer.concat([Uint8Array.of(tag), writtenLength(body.length, length), body, end]);
}

function writtenLength(bytes: number, how: Node['length']): Uint8Array {
  if (how === 'indefinite') return Uint8Array.of(0x80);
  if (how === 'one less') return lengthOf(Math.max(0, bytes - 1));
  if (how === 'one more') return lengthOf(bytes + 1);
  if (how === undefined) return lengthOf(bytes);
  return Uint8Array.of(0x84, bytes >>> 24, bytes >>> 16, bytes >>> 8, bytes);
}
