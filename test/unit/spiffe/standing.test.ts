/** An SVID is judged by the path from its leaf to an authority, and by the clock as it is now. */
import { describe, expect, test } from 'vitest';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { shownChain, standingOf } from '../../../src/spiffe/standing.ts';
import { nameConstraintProblem } from '../../../src/spiffe/x509/name-constraints.ts';
import { findPath } from '../../../src/spiffe/x509/path.ts';
import type { X509Svid } from '../../../src/spiffe/x509-context.ts';
import { readContext } from '../../../src/workload-api/context.ts';
import { responseWith, svidMessage } from '../../support/workload-api/workload-messages.ts';
import { HOUR, type Issued, issueAuthority, issueLeaf, NOW, type Wish } from '../../support/x509/certificates.ts';
import { nameConstraints } from '../../support/x509/name-constraints.ts';

type Chain = readonly [Issued, ...Issued[]];

const WEB = 'spiffe://example.org/web';
const DAY = 24 * HOUR;
const reader = new CertificateReader();
const root = await issueAuthority({ name: 'root', notAfter: NOW + DAY });
const intermediate = await issueAuthority({ name: 'intermediate', issuer: root, notAfter: NOW + DAY });
const leaf = await issueLeaf(intermediate, WEB);

/** Another certificate for the intermediate's name and key. */
const alsoIntermediate = (wish: Wish) => issueAuthority({ name: 'intermediate', keys: intermediate.keys, issuer: root, ...wish });

function svidOf(chain: Chain, bundle: Chain = [root]): X509Svid {
  return readContext(responseWith([svidMessage(WEB, chain, bundle)]), reader).context.svids[0] as X509Svid;
}

/** What is shown to peers, as the certificates that came. */
function shown(chain: Chain, bundle: Chain = [root], now = NOW): readonly (Issued | undefined)[] {
  const svid = svidOf(chain, bundle);
  const standing = standingOf(svid, now);
  const certificates = standing.kind === 'valid' ? shownChain(svid, standing.path, now) : [];
  return certificates.map(({ der }) => [...chain, ...bundle].find((issued) => issued.der.equals(der)));
}

const endOf = (chain: Chain, bundle: Chain = [root], now = NOW) => {
  const standing = standingOf(svidOf(chain, bundle), now);
  return standing.kind === 'valid' ? standing.path.notAfter : standing;
};

describe('what lies beside the path changes nothing', () => {
  const cross = (wish: Wish) => alsoIntermediate({ issuer: other, ...wish });
  let other: Issued;

  test.for([
    ['has expired', { notBefore: NOW - 3 * HOUR, notAfter: NOW - HOUR }],
    ['is not valid yet', { notBefore: NOW + HOUR, notAfter: NOW + DAY }],
  ] as const)('a cross certificate that %s is not shown', async ([_what, wish]) => {
    other = await issueAuthority({ name: 'other' });
    const odd = await cross(wish);
    expect([shown([leaf, odd, intermediate]), endOf([leaf, odd, intermediate])]).toEqual([[leaf, intermediate], NOW + HOUR]);
  });

  test('a cross certificate that ends before the leaf does not shorten its life', async () => {
    other = await issueAuthority({ name: 'other' });
    const short = await cross({ notAfter: NOW + HOUR / 2 });
    expect(endOf([leaf, short, intermediate])).toBe(NOW + HOUR);
  });

  test('a valid cross certificate is shown behind the path: peers of the other authority need it', async () => {
    other = await issueAuthority({ name: 'other' });
    const valid = await cross({ notAfter: NOW + DAY });
    expect(shown([leaf, valid, intermediate])).toEqual([leaf, intermediate, valid]);
  });

  test('a certificate that signs nothing of it is not shown', async () => {
    const stray = await issueAuthority({ name: 'stray' });
    expect(shown([leaf, stray, intermediate])).toEqual([leaf, intermediate]);
  });
});

describe('of several paths', () => {
  test('the one that is valid is shown, whatever stands first', async () => {
    const expired = await alsoIntermediate({ notBefore: NOW - 3 * HOUR, notAfter: NOW - HOUR });
    expect(shown([leaf, expired, intermediate])).toEqual([leaf, intermediate]);
  });

  test('the one that is valid for longest counts', async () => {
    const short = await alsoIntermediate({ notAfter: NOW + HOUR / 2 });
    expect([endOf([leaf, short, intermediate]), endOf([leaf, short])]).toEqual([NOW + HOUR, NOW + HOUR / 2]);
  });

  test('another takes over when the first is over', async () => {
    const first = await alsoIntermediate({ notAfter: NOW + HOUR / 4 });
    const second = await alsoIntermediate({ notBefore: NOW + HOUR / 8, notAfter: NOW + HOUR / 2 });
    expect([NOW, NOW + HOUR / 4].map((now) => endOf([leaf, first, second], [root], now))).toEqual([
      NOW + HOUR / 4,
      NOW + HOUR / 2,
    ]);
  });

  test('the end of the authority is the end of the path', async () => {
    const short = await issueAuthority({ name: 'root', keys: root.keys, notAfter: NOW + HOUR / 2 });
    expect(endOf([leaf, intermediate], [short])).toBe(NOW + HOUR / 2);
  });
});

describe('an SVID is not valid yet', () => {
  const from = NOW + 30_000;

  test.for<[string, () => Promise<readonly [Chain, Chain]>]>([
    ['leaf', async () => [[await issueLeaf(intermediate, WEB, { notBefore: from }), intermediate], [root]]],
    ['intermediate', async () => [[leaf, await alsoIntermediate({ notBefore: from })], [root]]],
    ['authority', async () => [[leaf, intermediate], [await issueAuthority({ name: 'root', keys: root.keys, notBefore: from })]]],
  ])('until its %s is', async ([_what, make]) => {
    const svid = svidOf(...(await make()));
    expect([NOW, from - 1, from].map((now) => standingOf(svid, now))).toMatchObject([
      { kind: 'not_yet_valid', from },
      { kind: 'not_yet_valid', from },
      { kind: 'valid' },
    ]);
  });
});

describe('an SVID is expired', () => {
  test('from the end of its path on, and valid again when the clock is put right', () => {
    const svid = svidOf([leaf, intermediate]);
    expect([NOW + HOUR - 1, NOW + HOUR, NOW].map((now) => standingOf(svid, now).kind)).toEqual(['valid', 'expired', 'valid']);
  });

  test('and says since when', () => {
    expect(standingOf(svidOf([leaf, intermediate]), NOW + 5 * HOUR)).toEqual({ kind: 'expired', at: NOW + HOUR });
  });
});

test('certificates that all sign one another are walked through once', async () => {
  const clique = await Promise.all(Array.from({ length: 20 }, () => issueAuthority({ name: 'outer', keys: root.keys })));
  const [first, ...rest] = clique.flatMap(({ der }) => reader.readAll(der).certificates);
  const stranger = reader.readAll((await issueAuthority({ name: 'outer' })).der).certificates;
  expect(first && findPath([first, ...rest], stranger, NOW)).toBeUndefined();
});

describe('name constraints', () => {
  const problemUnder = async (constraints: Parameters<typeof nameConstraints>[0], wish: Wish = {}) => {
    const limited = await issueAuthority({ name: 'limited', issuer: root, extensions: [nameConstraints(constraints)] });
    const path = findPath(
      svidOf([await issueLeaf(limited, WEB, wish), limited]).chain,
      reader.readAll(root.der).certificates,
      NOW,
    );
    return path && nameConstraintProblem(path);
  };

  test.for([
    ['another trust domain', { permitted: [['uri', 'other.test']] }],
    ['trust domains below its own', { permitted: [['uri', '.example.org']] }],
    ['all but its own', { excluded: [['uri', 'example.org']] }],
    ['another subject', { permitted: [['subject', 'somebody']] }],
  ] as const)('that allow %s are told', async ([_what, constraints]) => {
    expect(await problemUnder(constraints)).toMatch(/the name constraints of its CA \w+ do not allow/);
  });

  test.for([
    ['its trust domain', { permitted: [['uri', 'example.org']] }],
    [
      'its trust domain among others',
      {
        permitted: [
          ['uri', 'other.test'],
          ['uri', 'EXAMPLE.org'],
        ],
      },
    ],
    ['a domain, for it has no DNS name', { permitted: [['dns', 'example.com']] }],
    ['its subject', { permitted: [['subject', 'leaf']] }],
  ] as const)('that allow %s are none of our business', async ([_what, constraints]) => {
    expect(await problemUnder(constraints)).toBeUndefined();
  });
});
