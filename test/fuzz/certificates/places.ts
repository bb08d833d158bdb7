/** Where in a certificate something can be changed. */
import { NULL, TAG } from '../../support/x509/der-writer.ts';
import type { Random } from '../random.ts';
import { type DerNode, leafNode, nodesOf, writeTree } from './der-tree.ts';

/** Changes the tree in one place; false: there is no such place. */
export type Mutation = (root: DerNode, random: Random) => boolean;

export function any(change: (node: DerNode, random: Random) => unknown): Mutation {
  return (root, random) => {
    change(random.of(nodesOf(root)), random);
    return true;
  };
}

export function leaves(
  change: (node: DerNode, random: Random) => unknown,
  fits: (tag: number) => boolean = () => true,
): Mutation {
  return (root, random) => {
    const node = chosen(root, random, ({ tag, children }) => children === undefined && tag.length === 1 && fits(tag[0] ?? 0));
    if (node !== undefined) change(node, random);
    return node !== undefined;
  };
}

export function parents(change: (children: DerNode[], random: Random) => unknown): Mutation {
  return (root, random) => {
    const node = chosen(root, random, ({ children }) => children !== undefined && children.length > 0);
    if (node?.children !== undefined) change(node.children, random);
    return node !== undefined;
  };
}

export function chosen(root: DerNode, random: Random, fits: (node: DerNode) => boolean): DerNode | undefined {
  const found = nodesOf(root).filter(fits);
  return found.length === 0 ? undefined : random.of(found);
}

/** The fields of the TBSCertificate. */
export function changeFields(root: DerNode, change: (fields: DerNode[]) => unknown): boolean {
  const fields = root.children?.[0]?.children;
  if (fields !== undefined) change(fields);
  return fields !== undefined;
}

export function changeExtensions(root: DerNode, change: (list: DerNode[]) => unknown): boolean {
  const list = root.children?.[0]?.children?.find(({ tag }) => tag[0] === 0xa3)?.children?.[0]?.children;
  if (list !== undefined) change(list);
  return list !== undefined;
}

export function isAlgorithm({ tag, children }: DerNode): boolean {
  return tag[0] === TAG.sequence && children?.[0]?.tag[0] === TAG.oid && children.length <= 2;
}

export function is(wanted: number): (tag: number) => boolean {
  return (tag) => tag === wanted;
}

export function isString(tag: number): boolean {
  return (
    tag === TAG.utf8String ||
    (tag >= TAG.numericString && tag <= TAG.ia5String) ||
    (tag >= TAG.visibleString && tag <= TAG.bmpString)
  );
}

export function setTag(node: DerNode, tag: number): void {
  node.tag = Uint8Array.of(tag);
}

/** Bytes as they are. */
export function raw(bytes: Uint8Array): DerNode {
  return { ...leafNode(0, new Uint8Array()), tag: bytes, length: () => new Uint8Array() };
}

export function copyOf(node: DerNode | undefined): DerNode {
  return raw(node === undefined ? NULL : writeTree(node));
}
