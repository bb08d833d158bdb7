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

/** A name or a name constraint, with the tag of its GeneralName. */
interface Name {
  readonly tag: number;
  readonly value: Uint8Array;
}

/** Why a peer that checks name constraints would refuse the leaf; undefined when all its names are allowed or of a kind not checked here. */
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

/** For URIs: a base that begins with a dot matches all hosts below it; any other base matches only that host. */
function hostMatches(host: string, base: string): boolean {
  return base.startsWith('.') ? host.endsWith(base) && host.length > base.length : host === base;
}

/** For DNS names: a base matches itself and all names below it; an empty base matches every name. */
function domainMatches(name: string, base: string): boolean {
  return base === '' || name === base || name.endsWith(base.startsWith('.') ? base : `.${base}`);
}

/** For directory names (DER): the name must begin with the relative names of the base. */
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
