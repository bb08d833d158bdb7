import { describe, expect, it } from 'vitest';
import { SpiffeSdsError } from '../../src/error.ts';
import { parseSpiffeId, parseTrustDomain, pathOf, trustDomainId, trustDomainOf } from '../../src/spiffe/spiffe-id.ts';
import { fc, runs } from '../support/properties.ts';

const trustDomainCharacters = [...'abcdefghijklmnopqrstuvwxyz0123456789.-_'];
const pathCharacters = [...trustDomainCharacters, ...'ABCDEFGHIJKLMNOPQRSTUVWXYZ'];

const trustDomain = fc.string({ unit: fc.constantFrom(...trustDomainCharacters), minLength: 1, maxLength: 100 });
const segment = fc
  .string({ unit: fc.constantFrom(...pathCharacters), minLength: 1, maxLength: 30 })
  .filter((text) => text !== '.' && text !== '..');
const segments = fc.array(segment, { minLength: 1, maxLength: 10 });
const path = fc.oneof(fc.constant(''), segments.map(toPath));

/** Any UTF-16 code unit, lone surrogates too; most often one that means something in a URI. */
const character = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...'/.:@?#%[]\\ \n\0AZaz09-_~é') },
  { weight: 1, arbitrary: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) },
);
const badInTrustDomain = character.filter((text) => text !== '/' && !trustDomainCharacters.includes(text));
const badInPath = character.filter((text) => text !== '/' && !pathCharacters.includes(text));

/** Strings that are SPIFFE IDs about half the time, and mostly nearly. */
const nearlyAnId = fc
  .tuple(
    fc.oneof(
      { weight: 9, arbitrary: fc.constant('spiffe://') },
      { weight: 1, arbitrary: fc.constantFrom('', '/', 'spiffe:', 'SPIFFE://', 'https://') },
    ),
    fc.oneof(
      { weight: 6, arbitrary: trustDomain },
      { weight: 1, arbitrary: fc.string({ unit: character, maxLength: 4 }) },
      { weight: 1, arbitrary: fc.integer({ min: 253, max: 257 }).map((length) => 'a'.repeat(length)) },
    ),
    fc.oneof(
      { weight: 3, arbitrary: path },
      { weight: 2, arbitrary: fc.array(fc.oneof(segment, character), { maxLength: 5 }).map(toPath) },
    ),
  )
  .map((parts) => parts.join(''));
const aboutTheLongest = fc.integer({ min: 2046, max: 2050 }).map((length) => 'spiffe://td/'.padEnd(length, 'a'));
const anyText = fc.oneof(
  { weight: 8, arbitrary: nearlyAnId },
  { weight: 1, arbitrary: aboutTheLongest },
  { weight: 1, arbitrary: fc.string({ unit: character }) },
);

function toPath(segments: readonly string[]): string {
  return segments.map((text) => `/${text}`).join('');
}

function insert(text: string, at: number, what: string): string {
  const index = at % (text.length + 1);
  return text.slice(0, index) + what + text.slice(index);
}

function accepts(text: string): boolean {
  try {
    parseSpiffeId(text);
    return true;
  } catch (thrown) {
    if (thrown instanceof SpiffeSdsError && thrown.code === 'spiffe_id_invalid') return false;
    throw thrown;
  }
}

/** The grammar of the SPIFFE-ID specification, sections 2.1 to 2.3, written a second time. */
function isSpiffeId(text: string): boolean {
  const grammar = /^spiffe:\/\/[a-z0-9._-]{1,255}(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+)*$/;
  return grammar.test(text) && new TextEncoder().encode(text).length <= 2048;
}

describe('every valid SPIFFE ID', () => {
  it('is accepted and gives back its trust domain and path', () => {
    fc.assert(
      fc.property(trustDomain, path, (name, path) => {
        const id = parseSpiffeId(`spiffe://${name}${path}`);
        expect([id, trustDomainOf(id), pathOf(id)]).toEqual([`spiffe://${name}${path}`, name, path]);
      }),
    );
  });

  it('has a trust domain that is the same by name and by its SPIFFE ID', () => {
    fc.assert(
      fc.property(trustDomain, (name) => {
        expect(parseTrustDomain(trustDomainId(parseTrustDomain(name)))).toBe(name);
      }),
    );
  });

  it('is refused for the trust domain when a wrong character comes into that', () => {
    fc.assert(
      fc.property(trustDomain, path, fc.nat(), badInTrustDomain, (name, path, at, bad) => {
        expect(() => parseSpiffeId(`spiffe://${insert(name, at, bad)}${path}`)).toThrow(/ in the trust domain: only [^:]*$/);
      }),
    );
  });

  it('is refused for the path when a wrong character comes into that', () => {
    fc.assert(
      fc.property(trustDomain, segments, fc.nat(), badInPath, (name, segments, at, bad) => {
        const path = insert(segments.join('/'), at, bad);
        expect(() => parseSpiffeId(`spiffe://${name}/${path}`)).toThrow(/ in the path: only [^:]*$/);
      }),
    );
  });

  it('is refused for the path when an empty, "." or ".." segment comes into that', () => {
    fc.assert(
      fc.property(trustDomain, fc.array(segment), fc.nat(), fc.constantFrom('', '.', '..'), (name, segments, at, bad) => {
        const path = toPath(segments.toSpliced(at % (segments.length + 1), 0, bad));
        expect(() => parseSpiffeId(`spiffe://${name}${path}`)).toThrow(/: the path (has an?|ends with) [^:]*$/);
      }),
    );
  });
});

describe('any string', () => {
  it('is accepted or refused with spiffe_id_invalid, as the specification says', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(accepts(text)).toBe(isSpiffeId(text));
      }),
      runs(2000),
    );
  });

  it('is a trust domain just when it is the authority of a SPIFFE ID', () => {
    fc.assert(
      fc.property(fc.oneof(trustDomain, fc.string({ unit: character, maxLength: 3 })), (text) => {
        const isName = isSpiffeId(`spiffe://${text}`) && !text.includes('/');
        if (isName) expect(parseTrustDomain(text)).toBe(text);
        else expect(() => parseTrustDomain(text)).toThrow(SpiffeSdsError);
      }),
    );
  });
});
