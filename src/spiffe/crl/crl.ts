/**
 * Certificate revocation lists (RFC 5280, section 5). A CRL can have hundreds of thousands of entries, so it is read in steps and without
 * an object for each entry.
 */
import { isTime, timeAt } from '../x509/asn1-time.ts';
import type { Certificate } from '../x509/certificate.ts';
import { contentStart, type DerElement, derChildren, elementEnd, splitDer } from '../x509/der.ts';
import { canonicalName, distinguishedNameText } from '../x509/distinguished-name.ts';
import { type Extension, readExtensionList } from '../x509/extension-list.ts';
import { type AuthorityKeyIdentifier, identifies, readAuthorityKeyIdentifier } from '../x509/key-identifier.ts';
import { pemSteps } from '../x509/pem.ts';
import { readSignatureAlgorithm, type SignatureAlgorithm, verifySteps } from '../x509/signature-algorithm.ts';
import { atOnce, inTurns, type Steps } from '../x509/steps.ts';

export interface Crl {
  readonly der: Uint8Array;
  readonly pem: Buffer;
  /** For people. */
  readonly issuer: string;
  /** Milliseconds since the epoch. */
  readonly thisUpdate: number;
  /** Milliseconds since the epoch; Infinity when the CRL has no nextUpdate. */
  readonly nextUpdate: number;
  /** Whether its issuer name and its authority key identifier (if any) match this authority. The signature does not count. */
  means(authority: Certificate): boolean;
  /** Whether the authority has the issuer's name, may sign CRLs and signed this one. It blocks the event loop unless `check` was called before. */
  isSignedBy(authority: Certificate): boolean;
  /** Whether the result of `isSignedBy` is already known. */
  hasChecked(authority: Certificate): boolean;
  /** Checks the signature without blocking the event loop. */
  check(authority: Certificate): Promise<void>;
}

/** How many bytes one step checks, and how many it copies. Each takes one or two milliseconds. */
const STEP_BYTES = 1 << 17;
const COPY_BYTES = 1 << 20;
const TAG = { integer: 0x02, bitString: 0x03, enumerated: 0x0a, sequence: 0x30, extensions: 0xa0 } as const;
const VERSION_2 = Uint8Array.of(TAG.integer, 1, 1);
/** Object identifiers of extensions, hexadecimal. */
const REASON_CODE = '551d15';
const DISTRIBUTION_POINT = '551d1c';
const AUTHORITY_KEY_ID = '551d23';

/**
 * Reads a CRL.
 * @param bytes one DER CRL, which is copied
 * @throws Error when the bytes are not a CRL, it has unknown critical extensions, or it covers only some certificates of its issuer
 */
export function* crlSteps(bytes: Uint8Array): Steps<Crl> {
  const der = yield* copySteps(onlyOne(bytes));
  const { tbs, signature, algorithm } = signedParts(der);
  const { issuer, thisUpdate, nextUpdate, entries, extensions, isVersion2 } = partsOf(tbs, algorithm.bytes);
  if (entries !== undefined) yield* checkEntries(entries.content, isVersion2);
  const keyId = keyIdIn(extensions);
  const pem = yield* pemSteps('X509 CRL', der);
  const signed = { tbs, signature, algorithm: readSignatureAlgorithm(algorithm.bytes) };
  return {
    der,
    pem,
    issuer: distinguishedNameText(issuer),
    thisUpdate,
    nextUpdate,
    ...issuedBy(canonicalName(issuer), keyId, signed),
  };
}

function onlyOne(bytes: Uint8Array): Uint8Array {
  const {
    parts: [der, ...more],
    problem,
  } = splitDer(bytes);
  if (problem !== undefined) throw new Error(problem);
  if (der === undefined || more.length > 0)
    throw new Error(`it is ${more.length === 0 ? 'empty' : 'followed by something else'}`);
  return der;
}

/** A copy, so that the CRL does not keep its message in memory: the message also contains private keys. */
function* copySteps(bytes: Uint8Array): Steps<Uint8Array> {
  const copy = new Uint8Array(bytes.length);
  for (let from = 0; from < bytes.length; from += COPY_BYTES) {
    copy.set(bytes.subarray(from, from + COPY_BYTES), from);
    if (from + COPY_BYTES < bytes.length) yield;
  }
  return copy;
}

/** CertificateList ::= SEQUENCE { tbsCertList, signatureAlgorithm, signatureValue BIT STRING } */
function signedParts(der: Uint8Array): { tbs: Uint8Array; algorithm: DerElement; signature: Uint8Array } {
  const [tbs, algorithm, signature, ...more] = derChildren(der);
  if (tbs?.tag !== TAG.sequence || algorithm?.tag !== TAG.sequence || signature?.tag !== TAG.bitString || more.length > 0)
    throw new Error('it is no CRL');
  if (signature.content[0] !== 0) throw new Error('its signature is not of whole bytes');
  return { tbs: tbs.bytes, algorithm, signature: signature.content.subarray(1) };
}

interface ListParts {
  /** A distinguished name, DER. */
  readonly issuer: Uint8Array;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly entries: DerElement | undefined;
  readonly extensions: readonly Extension[];
  readonly isVersion2: boolean;
}

/** TBSCertList ::= SEQUENCE { version?, signature, issuer, thisUpdate, nextUpdate?, revokedCertificates?, [0] crlExtensions? } */
function partsOf(tbs: Uint8Array, algorithm: Uint8Array): ListParts {
  const parts = [...derChildren(tbs)];
  const take = (is: (tag: number) => boolean) => (parts[0] !== undefined && is(parts[0].tag) ? parts.shift() : undefined);
  const isSequence = (tag: number) => tag === TAG.sequence;
  const version = take((tag) => tag === TAG.integer);
  if (version !== undefined && Buffer.compare(version.bytes, VERSION_2) !== 0) throw new Error('it is of another version than 2');
  const [signature, issuer] = [take(isSequence), take(isSequence)];
  const [thisUpdate, nextUpdate] = [take(isTime), take(isTime)];
  const entries = take(isSequence);
  const wrapped = take((tag) => tag === TAG.extensions);
  if (signature === undefined || issuer === undefined || thisUpdate === undefined || parts.length > 0)
    throw new Error('it is not made up as a CRL is');
  if (Buffer.compare(signature.bytes, algorithm) !== 0) throw new Error('it says two signature algorithms');
  if (wrapped !== undefined && version === undefined) throw new Error('it has extensions, but not their version');
  return {
    issuer: issuer.bytes,
    thisUpdate: timeOf(thisUpdate),
    nextUpdate: nextUpdate === undefined ? Number.POSITIVE_INFINITY : timeOf(nextUpdate),
    entries,
    extensions: wrapped === undefined ? [] : readExtensionList(wrapped.content),
    isVersion2: version !== undefined,
  };
}

function timeOf({ tag, content }: DerElement): number {
  return timeAt(tag, content, 0, content.length);
}

/** SEQUENCE OF SEQUENCE { userCertificate INTEGER, revocationDate, crlEntryExtensions? }: a malformed one spoils them all. */
function* checkEntries(bytes: Uint8Array, isVersion2: boolean): Steps<void> {
  let pause = STEP_BYTES;
  /** The extensions of the previous entry. Most entries of a CRL have the same extensions, which are read once. */
  let known: Uint8Array = new Uint8Array();
  for (let start = 0; start < bytes.length; ) {
    const end = elementEnd(bytes, start, bytes.length);
    const serial = contentStart(bytes, start);
    if (bytes[start] !== TAG.sequence || bytes[serial] !== TAG.integer) throw new Error(MALFORMED);
    const date = elementEnd(bytes, serial, end);
    checkInteger(bytes, contentStart(bytes, serial), date);
    if (date >= end) throw new Error(MALFORMED);
    const extensions = elementEnd(bytes, date, end);
    timeAt(bytes[date], bytes, contentStart(bytes, date), extensions);
    if (extensions < end) {
      if (!isVersion2) throw new Error('an entry of it has extensions, but not their version');
      const list = bytes.subarray(extensions, end);
      if (Buffer.compare(list, known) !== 0) checkEntryExtensions(list);
      known = list;
    }
    start = end;
    if (start < pause) continue;
    pause = start + STEP_BYTES;
    yield;
  }
}

const MALFORMED = 'an entry of it is malformed';

/** X.690, section 8.3.2. */
function checkInteger(bytes: Uint8Array, from: number, to: number): void {
  const first = bytes[from] ?? 0;
  const isPadded = to - from > 1 && (first === 0 || first === 0xff) && (first & 0x80) === ((bytes[from + 1] ?? 0) & 0x80);
  if (from >= to || isPadded) throw new Error(MALFORMED);
}

function checkEntryExtensions(list: Uint8Array): void {
  for (const { oid, critical, value } of readExtensionList(list)) {
    if (critical) throw new Error('an entry of it has a critical extension that is not known: it must not be used');
    if (oid === REASON_CODE && !isReason(value)) throw new Error(MALFORMED);
  }
}

function isReason(value: Uint8Array): boolean {
  return value.length === 3 && value[0] === TAG.enumerated && value[1] === 1;
}

function keyIdIn(extensions: readonly Extension[]): AuthorityKeyIdentifier {
  // RFC 5280, section 5.2.5: a list with a distribution point covers a part of what its issuer has issued, critical or not.
  const isPartial = extensions.some(({ oid, critical }) => oid === DISTRIBUTION_POINT || (critical && oid !== AUTHORITY_KEY_ID));
  if (isPartial) throw new Error('it covers a part only, or has a critical extension that is not known');
  const keyId = extensions.find(({ oid }) => oid === AUTHORITY_KEY_ID);
  return keyId === undefined ? {} : readAuthorityKeyIdentifier(keyId.value);
}

interface Signed {
  readonly tbs: Uint8Array;
  readonly signature: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
}

function issuedBy(
  issuer: string,
  keyId: AuthorityKeyIdentifier,
  { tbs, signature, algorithm }: Signed,
): Pick<Crl, 'means' | 'isSignedBy' | 'hasChecked' | 'check'> {
  const named = new WeakMap<Certificate, boolean>();
  const verdicts = new WeakMap<Certificate, boolean>();
  const hasNameOf = (authority: Certificate) => {
    const known = named.get(authority) ?? canonicalName(authority.subject) === issuer;
    named.set(authority, known);
    return known;
  };
  const may = (authority: Certificate) => hasNameOf(authority) && authority.keyUsage?.crlSign !== false;
  const check = ({ x509 }: Certificate) => verifySteps(algorithm, x509.publicKey, tbs, signature);
  const hasChecked = (authority: Certificate) => !may(authority) || verdicts.has(authority);
  return {
    means: (authority) => hasNameOf(authority) && identifies(keyId, authority),
    isSignedBy(authority) {
      if (!may(authority)) return false;
      const verdict = verdicts.get(authority) ?? atOnce(check(authority));
      verdicts.set(authority, verdict);
      return verdict;
    },
    hasChecked,
    async check(authority) {
      if (hasChecked(authority)) return;
      verdicts.set(authority, await inTurns(check(authority)));
    },
  };
}
