import { describe, expect, test } from 'vitest';
import { canonicalName, distinguishedNameText, sameName } from '../../../../src/spiffe/x509/distinguished-name.ts';
import { tlv } from '../../../support/x509/der-writer.ts';

const COMMON_NAME = [0x55, 4, 3];
const ORGANIZATION = [0x55, 4, 10];
const UTF8 = 0x0c;
const PRINTABLE = 0x13;
const T61 = 0x14;
const IA5 = 0x16;
const VISIBLE = 0x1a;
const UNIVERSAL = 0x1c;
const BMP = 0x1e;
const OCTETS = 0x04;

const attribute = (tag: number, value: string | Buffer, type = COMMON_NAME) =>
  tlv(0x30, tlv(6, type), tlv(tag, Buffer.from(value)));
const nameOf = (...relativeNames: readonly (readonly Buffer[])[]) => tlv(0x30, ...relativeNames.map((one) => tlv(0x31, ...one)));
const simple = (tag: number, value: string | Buffer) => nameOf([attribute(tag, value)]);
const wide = (text: string, size: 2 | 4) =>
  Buffer.concat(
    [...text].map((letter) => {
      const bytes = Buffer.alloc(size);
      bytes.writeUIntBE(letter.codePointAt(0) ?? 0, 0, size);
      return bytes;
    }),
  );

const NAME = simple(UTF8, 'My Authority');

describe('names are the same', () => {
  test.for([
    ['as PrintableString', simple(PRINTABLE, 'My Authority')],
    ['as IA5String', simple(IA5, 'My Authority')],
    ['as VisibleString', simple(VISIBLE, 'My Authority')],
    ['as T61String', simple(T61, 'My Authority')],
    ['as BMPString', simple(BMP, wide('My Authority', 2))],
    ['as UniversalString', simple(UNIVERSAL, wide('My Authority', 4))],
    ['in other case', simple(UTF8, 'mY aUTHORITY')],
    ['with white space around it', simple(UTF8, ' \t\r\n\v\fMy Authority  ')],
    ['with more white space in it', simple(UTF8, 'My \t Authority')],
  ] as const)('%s', ([_how, other]) => {
    expect([sameName(NAME, other), sameName(NAME, NAME)]).toEqual([true, true]);
  });

  test('when one relative name has its attributes in another order', () => {
    const parts = [attribute(UTF8, 'a'), attribute(UTF8, 'b', ORGANIZATION)];
    expect(sameName(nameOf(parts), nameOf(parts.toReversed()))).toBe(true);
  });

  test('beyond ASCII, when their letters are', () => {
    expect(sameName(simple(UTF8, 'Zürich'), simple(T61, Buffer.from('zürich', 'latin1')))).toBe(true);
  });
});

describe('names are not the same', () => {
  test.for([
    [
      'in another order',
      nameOf([attribute(UTF8, 'a')], [attribute(UTF8, 'b')]),
      nameOf([attribute(UTF8, 'b')], [attribute(UTF8, 'a')]),
    ],
    [
      'as two relative names and one of two',
      nameOf([attribute(UTF8, 'a')], [attribute(UTF8, 'b')]),
      nameOf([attribute(UTF8, 'a'), attribute(UTF8, 'b')]),
    ],
    ['of another attribute', simple(UTF8, 'a'), nameOf([attribute(UTF8, 'a', ORGANIZATION)])],
    ['when a letter beyond ASCII is in other case', simple(UTF8, 'Ü'), simple(UTF8, 'ü')],
    ['without the white space between words', simple(UTF8, 'a b'), simple(UTF8, 'ab')],
    ['when one is no text', simple(OCTETS, 'a'), simple(UTF8, 'a')],
    ['when no text differs in case', simple(OCTETS, 'a'), simple(OCTETS, 'A')],
    ['when what should be UTF-8 is not', simple(UTF8, Buffer.of(0xff)), simple(T61, Buffer.of(0xff))],
    ['when one is empty', nameOf(), simple(UTF8, '')],
  ] as const)('%s', ([_how, a, b]) => {
    expect(sameName(a, b)).toBe(false);
  });
});

test('what is in a name cannot pass for more of it', () => {
  expect(canonicalName(simple(UTF8, 'a,550403=62'))).not.toBe(
    canonicalName(nameOf([attribute(UTF8, 'a')], [attribute(UTF8, 'b')])),
  );
});

test('a name for people is one line', () => {
  const name = nameOf(
    [attribute(UTF8, 'my\nCA')],
    [attribute(PRINTABLE, 'Example', ORGANIZATION), attribute(OCTETS, 'x', [0x2a, 3])],
  );
  expect(distinguishedNameText(name)).toMatch(/^CN=my[^\n]*CA, O=Example \+ 0x2a03=78$/);
});

test.for([
  ['not DER', Buffer.of(0x30, 5)],
  ['an attribute without a value', tlv(0x30, tlv(0x31, tlv(0x30, tlv(6, COMMON_NAME))))],
  ['a sequence where a set belongs', tlv(0x30, tlv(0x30, attribute(UTF8, 'My Authority')))],
  ['an attribute of three parts', nameOf([tlv(0x30, tlv(6, COMMON_NAME), tlv(UTF8, Buffer.from('My Authority')), tlv(5))])],
] as const)('%s is no name, and the same as itself only', ([_what, bytes]) => {
  expect([sameName(bytes, Buffer.from(bytes)), sameName(bytes, NAME), sameName(bytes, nameOf())]).toEqual([true, false, false]);
});
