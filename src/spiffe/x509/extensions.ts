/** The certificate extensions that SPIFFE needs and that node:crypto does not show completely (RFC 5280, section 4.2.1). */
import { type DerElement, elementsOf, isBitString } from './der.ts';

/** The decoded extensions of one certificate. */
export interface Extensions {
  readonly uriSans: readonly string[];
  /** basicConstraints cA. */
  readonly isCa: boolean;
  /** basicConstraints pathLenConstraint. */
  readonly pathLength: number | undefined;
  /** Undefined when the certificate has no key usage extension. */
  readonly keyUsage: KeyUsage | undefined;
}

/** The bits of the key usage extension (RFC 5280, section 4.2.1.3) that SPIFFE needs. */
export interface KeyUsage {
  readonly digitalSignature: boolean;
  readonly keyCertSign: boolean;
  readonly crlSign: boolean;
}

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  sequence: 0x30,
  extensions: 0xa3,
} as const;
/** The tag of uniformResourceIdentifier in GeneralName (RFC 5280, section 4.2.1.6). */
const URI_NAME = 0x86;
/** Hexadecimal DER of the object identifiers. */
const KEY_USAGE = '551d0f';
const SUBJECT_ALT_NAME = '551d11';
const BASIC_CONSTRAINTS = '551d13';
const DIGITAL_SIGNATURE = 0x80;
const KEY_CERT_SIGN = 0x04;
const CRL_SIGN = 0x02;

/**
 * Decodes the extensions.
 * @param der a certificate that node:crypto has parsed
 * @throws Error when an extension appears twice or is malformed
 */
export function readExtensions(der: Uint8Array): Extensions {
  const extensions = extensionsOf(der);
  const names = extensions.get(SUBJECT_ALT_NAME);
  const constraints = extensions.get(BASIC_CONSTRAINTS);
  const usage = extensions.get(KEY_USAGE);
  return {
    uriSans: names === undefined ? [] : uriSans(names),
    ...(constraints === undefined ? { isCa: false, pathLength: undefined } : basicConstraints(constraints)),
    keyUsage: usage && keyUsage(usage),
  };
}

/**
 * The value of each extension. The keys are object identifiers, DER in hexadecimal.
 * @throws Error when an extension appears twice
 */
export function extensionsOf(der: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const [certificate] = elementsOf(der);
  const [toBeSigned] = elementsOf(contentOf(certificate, TAG.sequence));
  const wrapped = elementsOf(contentOf(toBeSigned, TAG.sequence)).find(({ tag }) => tag === TAG.extensions);
  const found = new Map<string, Uint8Array>();
  if (wrapped === undefined) return found;
  const [list] = elementsOf(wrapped.content);
  for (const extension of elementsOf(contentOf(list, TAG.sequence))) {
    const parts = elementsOf(contentOf(extension, TAG.sequence));
    const oid = Buffer.from(contentOf(parts[0], TAG.oid)).toString('hex');
    // RFC 5280, section 4.2, forbids it: peers could choose different ones.
    if (found.has(oid)) throw new Error('it has the same extension twice');
    found.set(oid, contentOf(parts.at(-1), TAG.octetString));
  }
  return found;
}

function uriSans(value: Uint8Array): readonly string[] {
  const names = elementsOf(only(value, TAG.sequence));
  return names.filter(({ tag }) => tag === URI_NAME).map(({ content }) => Buffer.from(content).toString('latin1'));
}

function basicConstraints(value: Uint8Array): Pick<Extensions, 'isCa' | 'pathLength'> {
  const parts = elementsOf(only(value, TAG.sequence));
  const ca = parts.filter(({ tag }) => tag === TAG.boolean);
  const length = parts.filter(({ tag }) => tag === TAG.integer);
  if (ca.length > 1 || length.length > 1 || ca.length + length.length < parts.length)
    throw new Error('its basic constraints are not a boolean and a number');
  return { isCa: ca.some(({ content }) => content[0] !== 0), pathLength: length[0] && naturalNumber(length[0].content) };
}

function naturalNumber(bytes: Uint8Array): number {
  const [first = 0x80] = bytes;
  if (first >= 0x80) throw new Error('its path length is not a number from 0 on');
  return Number(`0x${Buffer.from(bytes).toString('hex')}`);
}

function keyUsage(value: Uint8Array): KeyUsage {
  const content = only(value, TAG.bitString);
  // X.690, section 11.2.1.
  if (!isBitString(content)) throw new Error('its key usage is not a bit string');
  const has = (bit: number) => ((content[1] ?? 0) & bit) !== 0;
  return { digitalSignature: has(DIGITAL_SIGNATURE), keyCertSign: has(KEY_CERT_SIGN), crlSign: has(CRL_SIGN) };
}

/** The content of the only element in `bytes`. */
function only(bytes: Uint8Array, tag: number): Uint8Array {
  const [first, second] = elementsOf(bytes);
  if (second !== undefined) throw new Error('an extension holds more than one value');
  return contentOf(first, tag);
}

function contentOf(element: DerElement | undefined, tag: number): Uint8Array {
  if (element?.tag !== tag) throw new Error(`an element is of type ${element?.tag ?? 'none'} where ${tag} belongs`);
  return element.content;
}
