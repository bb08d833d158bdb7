/** Whether the CAs of a path allow the names of its leaf. RFC 5280, section 4.2.1.10. */
import type { Certificate } from './certificate.ts';
import { derChildren, elementsOf } from './der.ts';
import { extensionsOf } from './extensions.ts';
import type { Path } from './path.ts';

const NAME_CONSTRAINTS = '551d1e';
const SUBJECT_ALT_NAME = '551d11';
const PERMITTED = 0xa0;
const EXCLUDED = 0xa1;
/** Tags of GeneralName. */
const DNS = 0x82;
const URI = 0x86;
const DIRECTORY = 0xa4;

/** A name, or what names are compared with, by the tag of its GeneralName. */
interface Name {
  readonly tag: number;
  readonly value: Uint8Array;
}

/** What a peer that heeds name constraints would say of the leaf; undefined when all its names are allowed, as far as we judge them. */
export function nameConstraintProblem({ certificates: [leaf, ...issuers], authority }: Path): string | undefined {
  const names = namesOf(leaf);
  for (const issuer of [...issuers, authority]) {
    const constraints = extensionsOf(issuer.der).get(NAME_CONSTRAINTS);
    if (constraints === undefined) continue;
    const refused = names.find((name) => !isAllowed(name, constraints));
    if (refused !== undefined)
      return `the name constraints of its CA ${issuer.serial} do not allow ${textOf(refused)}: peers will refuse it, another CA has to sign it`;
  }
  return undefined;
}

function namesOf(leaf: Certificate): readonly Name[] {
  const names = extensionsOf(leaf.der).get(SUBJECT_ALT_NAME) ?? new Uint8Array();
  const alternatives = derChildren(names).map(({ tag, content }) => ({ tag, value: content }));
  const hasSubject = elementsOf(leaf.subject).some(({ content }) => content.length > 0);
  return [...alternatives, ...(hasSubject ? [{ tag: DIRECTORY, value: leaf.subject }] : [])];
}

function isAllowed(name: Name, constraints: Uint8Array): boolean {
  const parts = derChildren(constraints);
  const bases = (part: number) =>
    parts
      .filter(({ tag }) => tag === part)
      .flatMap(({ content }) => elementsOf(content))
      .flatMap(({ content }) => elementsOf(content).slice(0, 1))
      .filter(({ tag }) => tag === name.tag);
  const permitted = bases(PERMITTED);
  const isIn = ({ content }: { readonly content: Uint8Array }) => isWithin(name, content);
  return (permitted.length === 0 || permitted.some(isIn)) && !bases(EXCLUDED).some(isIn);
}

function isWithin({ tag, value }: Name, base: Uint8Array): boolean {
  switch (tag) {
    case URI:
      return hostMatches(hostOf(latin1(value)), latin1(base).toLowerCase());
    case DNS:
      return domainMatches(latin1(value).toLowerCase(), latin1(base).toLowerCase());
    case DIRECTORY:
      return beginsWith(value, base);
    default:
      return true;
  }
}

/** A base that begins with a dot means all hosts below it, another one that host alone. */
function hostMatches(host: string, base: string): boolean {
  return base.startsWith('.') ? host.endsWith(base) && host.length > base.length : host === base;
}

/** Labels may be added on the left; an empty base means every name. */
function domainMatches(name: string, base: string): boolean {
  return base === '' || name === base || name.endsWith(base.startsWith('.') ? base : `.${base}`);
}

/** Both are a Name, DER: its first relative names have to be those of the base. */
function beginsWith(name: Uint8Array, base: Uint8Array): boolean {
  const [have, wanted] = [derChildren(name), derChildren(base)];
  return wanted.every(({ bytes }, index) => Buffer.compare(bytes, have[index]?.bytes ?? new Uint8Array()) === 0);
}

function hostOf(uri: string): string {
  const [, host = ''] = /^[^:]+:\/\/([^/?#:]*)/.exec(uri) ?? [];
  return host.toLowerCase();
}

function textOf({ tag, value }: Name): string {
  return tag === DIRECTORY ? 'its subject' : latin1(value);
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
