/** Identifies the key that signed something when several CAs have the same name (RFC 5280, sections 4.2.1.1 and 4.2.1.2). */
import type { Certificate } from './certificate.ts';
import { derChildren, elementsOf } from './der.ts';
import { sameName } from './distinguished-name.ts';
import { readExtensionList } from './extension-list.ts';

export interface AuthorityKeyIdentifier {
  readonly keyId?: Uint8Array;
  /** The issuer of the authority's certificate: a distinguished name, DER. */
  readonly issuer?: Uint8Array;
  /** The serial number of the authority's certificate: the content of an INTEGER. */
  readonly serial?: Uint8Array;
}

const SUBJECT_KEY_ID = '551d0e';
const TAG = {
  sequence: 0x30,
  keyId: 0x80,
  issuer: 0xa1,
  serial: 0x82,
  directoryName: 0xa4,
  version: 0xa0,
  extensions: 0xa3,
} as const;

/**
 * Reads the extension authorityKeyIdentifier (RFC 5280, section 4.2.1.1).
 * @param value the value of the extension
 * @throws Error when it is malformed, or names the authority with anything but a distinguished name
 */
export function readAuthorityKeyIdentifier(value: Uint8Array): AuthorityKeyIdentifier {
  const parts = value[0] === TAG.sequence ? [...derChildren(value)] : undefined;
  if (parts === undefined) throw new Error(MALFORMED);
  const take = (tag: number) => (parts[0]?.tag === tag ? parts.shift() : undefined);
  const [keyId, issuer, serial] = [take(TAG.keyId), take(TAG.issuer), take(TAG.serial)];
  if (parts.length > 0) throw new Error(MALFORMED);
  return {
    ...(keyId !== undefined && { keyId: keyId.content }),
    ...(issuer !== undefined && { issuer: directoryName(issuer.bytes) }),
    ...(serial !== undefined && { serial: serial.content }),
  };
}

const MALFORMED = 'its authority key identifier is malformed, or of an unusual kind';

/** Whether the identifier can mean this authority. A part that only one of them has is not compared. */
export function identifies({ keyId, issuer, serial }: AuthorityKeyIdentifier, authority: Certificate): boolean {
  const own = ownIdentifiers(authority);
  if (keyId !== undefined && own.keyId !== undefined && Buffer.compare(keyId, own.keyId) !== 0) return false;
  if (serial !== undefined && Buffer.compare(serial, own.serial) !== 0) return false;
  return issuer === undefined || sameName(issuer, own.issuer);
}

/** Reads GeneralNames with exactly one name: [4] EXPLICIT Name. */
function directoryName(names: Uint8Array): Uint8Array {
  const [name, ...more] = derChildren(names);
  if (name?.tag !== TAG.directoryName || more.length > 0) throw new Error(MALFORMED);
  return name.content;
}

/** RFC 5280, section 4.1: version, serialNumber, signature, issuer, …; the version is absent in version 1. */
function ownIdentifiers({ der }: Certificate): { keyId: Uint8Array | undefined; serial: Uint8Array; issuer: Uint8Array } {
  const fields = derChildren(derChildren(der)[0]?.bytes ?? new Uint8Array());
  const [serial, , issuer] = fields[0]?.tag === TAG.version ? fields.slice(1) : fields;
  if (serial === undefined || issuer === undefined) throw new Error('it is no certificate');
  const extensions = fields.find(({ tag }) => tag === TAG.extensions);
  const found = extensions && readExtensionList(extensions.content).find(({ oid }) => oid === SUBJECT_KEY_ID);
  const [keyId] = found === undefined ? [] : elementsOf(found.value);
  return { keyId: keyId?.content, serial: serial.content, issuer: issuer.bytes };
}
