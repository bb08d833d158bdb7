/** The extensions of a certificate, a CRL or a CRL entry (RFC 5280, section 4.1). */
import { type DerElement, derChildren, elementsOf } from './der.ts';

/** One extension, not decoded. */
export interface Extension {
  /** The object identifier, DER in hexadecimal. */
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

const TAG = { boolean: 0x01, octetString: 0x04, oid: 0x06, sequence: 0x30 } as const;

/**
 * Reads a list of extensions.
 * @param list SEQUENCE SIZE (1..MAX) OF Extension
 * @throws Error when the list is malformed, or contains an extension twice
 */
export function readExtensionList(list: Uint8Array): readonly Extension[] {
  const [only, ...more] = elementsOf(list);
  if (only?.tag !== TAG.sequence || more.length > 0) throw new Error(MALFORMED);
  const extensions = elementsOf(only.content).map(extensionOf);
  if (extensions.length === 0) throw new Error('its list of extensions is empty');
  // RFC 5280, section 4.2, forbids it: verifiers could choose different ones.
  if (new Set(extensions.map(({ oid }) => oid)).size < extensions.length) throw new Error('it has the same extension twice');
  return extensions;
}

function extensionOf({ tag, bytes }: DerElement): Extension {
  const [oid, ...more] = tag === TAG.sequence ? derChildren(bytes) : [];
  const critical = more[0]?.tag === TAG.boolean ? more.shift() : undefined;
  const [value, ...rest] = more;
  if (oid?.tag !== TAG.oid || !isObjectIdentifier(oid.content) || value?.tag !== TAG.octetString || rest.length > 0)
    throw new Error(MALFORMED);
  if (critical !== undefined && critical.content.length !== 1) throw new Error(MALFORMED);
  return { oid: Buffer.from(oid.content).toString('hex'), critical: (critical?.content[0] ?? 0) !== 0, value: value.content };
}

const MALFORMED = 'its extensions are malformed';

/** X.690, section 8.19: each number has the shortest form, and the last one is complete. */
function isObjectIdentifier(content: Uint8Array): boolean {
  const endsBefore = (index: number) => ((content[index - 1] ?? 0) & 0x80) === 0;
  return content.length > 0 && endsBefore(content.length) && content.every((byte, index) => byte !== 0x80 || !endsBefore(index));
}
