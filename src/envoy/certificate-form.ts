/**
 * Checks that Envoy can read a certificate (RFC 5280, section 4.1). BoringSSL requires strict DER, OpenSSL does not. One certificate that
 * Envoy cannot read makes it reject the whole validation context, with the bundles of all other trust domains. So only the forms that all
 * supported Envoys accept pass. The content of extensions and keys is not checked here, because Envoy reads it only during a handshake.
 */
import { messageOf } from '../error.ts';
import type { Certificate } from '../spiffe/x509/certificate.ts';
import { checkBitString, checkNameValue, checkTime, Fields } from './element-form.ts';

const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  sequence: 0x30,
  set: 0x31,
  version: 0xa0,
  issuerUniqueId: 0x81,
  subjectUniqueId: 0x82,
  extensions: 0xa3,
} as const;

const known = new WeakMap<Readable, string>();

/** A certificate that OpenSSL has already read. */
type Readable = Pick<Certificate, 'der'>;

/** Why Envoy would reject this certificate; undefined when it would accept it. The result is cached for each certificate. */
export function formProblem(certificate: Readable): string | undefined {
  let problem = known.get(certificate);
  if (problem === undefined) {
    problem = problemOf(certificate.der);
    known.set(certificate, problem);
  }
  return problem === '' ? undefined : problem;
}

function problemOf(der: Uint8Array): string {
  try {
    const certificate = new Fields(der, 'it').within(TAG.sequence, 'the certificate');
    checkToBeSigned(certificate.within(TAG.sequence, 'its signed part'));
    checkAlgorithm(certificate.within(TAG.sequence, 'its signature algorithm'));
    checkBitString(certificate.take(TAG.bitString, 'its signature'));
    certificate.end();
    return '';
  } catch (error) {
    return messageOf(error);
  }
}

function checkToBeSigned(fields: Fields): void {
  const version = x509VersionOf(fields);
  fields.take(TAG.integer, 'its serial number');
  checkAlgorithm(fields.within(TAG.sequence, 'its signature algorithm'));
  checkName(fields.within(TAG.sequence, 'its issuer'));
  const validity = fields.within(TAG.sequence, 'its validity');
  checkTime(validity.any('its notBefore'));
  checkTime(validity.any('its notAfter'));
  validity.end();
  checkName(fields.within(TAG.sequence, 'its subject'));
  const publicKey = fields.within(TAG.sequence, 'its public key');
  checkAlgorithm(publicKey.within(TAG.sequence, 'the algorithm of its public key'));
  checkBitString(publicKey.take(TAG.bitString, 'its public key'));
  publicKey.end();
  // These are BIT STRINGs with a context-specific tag of the primitive form.
  if (version >= 2 && fields.next === TAG.issuerUniqueId) checkBitString(fields.any('its issuer unique id'));
  if (version >= 2 && fields.next === TAG.subjectUniqueId) checkBitString(fields.any('its subject unique id'));
  if (version >= 3 && fields.next === TAG.extensions) checkExtensions(fields.within(TAG.extensions, 'its extensions'));
  fields.end();
}

/** The version, 1 to 3. The field contains the version minus one and is absent for version 1 (RFC 5280, section 4.1.2.1). */
function x509VersionOf(fields: Fields): number {
  if (fields.next !== TAG.version) return 1;
  const wrapper = fields.within(TAG.version, 'its version');
  const [version = 0xff, ...more] = wrapper.take(TAG.integer, 'its version').content;
  wrapper.end();
  if (version > 2 || more.length > 0) throw new Error('its version is none that there is');
  return version + 1;
}

function checkAlgorithm(algorithm: Fields): void {
  algorithm.take(TAG.oid, 'an algorithm');
  if (algorithm.next === undefined) return;
  const parameters = algorithm.any('the parameters of an algorithm');
  const empty = parameters.tag === TAG.null && parameters.content.length === 0;
  if (parameters.tag !== TAG.sequence && parameters.tag !== TAG.oid && !empty)
    throw new Error('the parameters of an algorithm are of a type that none has');
  algorithm.end();
}

/** From 1.38 on Envoy refuses a relative name without attributes. */
function checkName(name: Fields): void {
  while (name.next !== undefined) {
    const relative = name.within(TAG.set, 'a relative name');
    if (relative.next === undefined) throw new Error('a relative name within a name is empty');
    while (relative.next !== undefined) {
      const attribute = relative.within(TAG.sequence, 'an attribute of a name');
      attribute.take(TAG.oid, 'the type of an attribute');
      checkNameValue(attribute.any('the value of an attribute'));
      attribute.end();
    }
  }
}

function checkExtensions(wrapper: Fields): void {
  const list = wrapper.within(TAG.sequence, 'its extensions');
  wrapper.end();
  while (list.next !== undefined) {
    const extension = list.within(TAG.sequence, 'an extension');
    extension.take(TAG.oid, 'the name of an extension');
    if (extension.next === TAG.boolean) extension.take(TAG.boolean, 'whether an extension is critical');
    extension.take(TAG.octetString, 'the value of an extension');
    extension.end();
  }
}
