/** A name constraints extension (RFC 5280, section 4.2.1.10). */
import * as x509 from '@peculiar/x509';
import { tlv } from './der-writer.ts';

type Kind = 'uri' | 'dns' | 'subject';
type Subtrees = readonly (readonly [kind: Kind, base: string])[];

const TAGS: Readonly<Record<Kind, number>> = { uri: 0x86, dns: 0x82, subject: 0xa4 };

/** The base of a subject is a common name. */
export function nameConstraints({
  permitted = [],
  excluded = [],
}: {
  permitted?: Subtrees;
  excluded?: Subtrees;
}): x509.Extension {
  const subtrees = (tag: number, bases: Subtrees) => (bases.length === 0 ? [] : [tlv(tag, ...bases.map(subtree))]);
  return new x509.Extension('2.5.29.30', true, tlv(0x30, ...subtrees(0xa0, permitted), ...subtrees(0xa1, excluded)));
}

function subtree([kind, base]: Subtrees[number]): Buffer {
  const content = kind === 'subject' ? new Uint8Array(new x509.Name(`CN=${base}`).toArrayBuffer()) : Buffer.from(base);
  return tlv(0x30, tlv(TAGS[kind], content));
}
