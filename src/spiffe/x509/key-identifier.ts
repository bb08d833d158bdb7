/** Which key signed something, where several CAs have one name (RFC 5280, sections 4.2.1.1 and 4.2.1.2). */
import type { Certificate } from './certificate.ts';
import { derChildren, elementsOf } from './der.ts';
import { sameName } from './distinguished-name.ts';
import { readExtensionList } from './extension-list.ts';

export interface AuthorityKeyIdentifier {
  readonly keyId?: Uint8Array;
  /** Of the authority's certificate: a distinguished name, DER. */
  readonly issuer?: Uint8Array;
  /** Of the authority's certificate: the content of an INTEGER. */
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
 * @param value of the extension
 * @throws Error when it is malformed, or names the authority by anything but its distinguished name
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

/** Whether it may be this authority that is meant: what one of both does not say does not tell them apart. */
export function identifies({ keyId, issuer, serial }: AuthorityKeyIdentifier, authority: Certificate): boolean {
  const own = ownIdentifiers(authority);
  if (keyId !== undefined && own.keyId !== undefined && Buffer.compare(keyId, own.keyId) !== 0) return false;
  if (serial !== undefined && Buffer.compare(serial, own.serial) !== 0) return false;
  return issuer === undefined || sameName(issuer, own.issuer);
}

/** GeneralNames, of which there must be one: [4] EXPLICIT Name. */
function directoryName(names: Uint8Array): Uint8Array {
  const [name, ...more] = derChildren(names);
  if (name?.tag !== TAG.directoryName || more.length > 0) throw new Error(MALFORMED);
  return name.content;
}

/** RFC 5280, section 4.1: version, serialNumber, signature, issuer, …; a version 1 certificate does not say its version. */
function ownIdentifiers({ der }: Certificate): { keyId: Uint8Array | undefined; serial: Uint8Array; issuer: Uint8Array } {
  const fields = derChildren(derChildren(der)[0]?.bytes ?? new Uint8Array());
  const [serial, , issuer] = fields[0]?.tag === TAG.version ? fields.slice(1) : fields;
  if (serial === undefined || issuer === undefined) throw new Error('it is no certificate');
  const extensions = fields.find(({ tag }) => tag === TAG.extensions);
  const found = extensions && readExtensionList(extensions.content).find(({ oid }) => oid === SUBJECT_KEY_ID);
  const [keyId] = found === undefined ? [] : elementsOf(found.value);
  return { keyId: keyId?.content, serial: serial.content, issuer: issuer.bytes };
}
