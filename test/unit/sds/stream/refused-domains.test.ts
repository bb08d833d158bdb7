/** What an Envoy refused of which trust domain, and for how long that counts. */
import { describe, expect, test } from 'vitest';
import { RefusedDomains, refusedDomain } from '../../../../src/sds/stream/refused-domains.ts';

describe('a NACK', () => {
  test.for([
    ['Failed to load trusted CA certificate for partner.test', 'partner.test'],
    ['Error adding/updating secret ALL: Failed to load trusted CA certificate for a-b_c.d1 and so on', 'a-b_c.d1'],
    ['Failed to load certificate chain from <inline>', undefined],
    ['', undefined],
  ] as const)('%s names %s', ([text, trustDomain]) => {
    expect(refusedDomain(text)).toBe(trustDomain);
  });
});

describe('what was refused', () => {
  test('is news once for each content', () => {
    const refused = new RefusedDomains();
    expect([refused.remember('e', 'a', '1'), refused.remember('e', 'a', '1'), refused.remember('e', 'a', '2')]).toEqual([
      true,
      false,
      true,
    ]);
  });

  test('adds up for one Envoy, and concerns no other', () => {
    const refused = new RefusedDomains();
    for (const trustDomain of ['a', 'b']) refused.remember('e', trustDomain, '1');
    expect([[...(refused.of('e') ?? [])], refused.of('other')]).toEqual([['a', 'b'], undefined]);
  });

  test('is forgotten with its content', () => {
    const refused = new RefusedDomains();
    for (const trustDomain of ['a', 'b']) refused.remember('e', trustDomain, '1');
    refused.retain((trustDomain) => (trustDomain === 'a' ? '1' : '2'));
    const some = [...(refused.of('e') ?? [])];
    refused.retain(() => undefined);
    expect([some, refused.of('e'), refused.size]).toEqual([['a'], undefined, 0]);
  });

  test('is bounded: what was refused first is forgotten first', () => {
    const refused = new RefusedDomains();
    for (let envoy = 0; envoy < 2_000; envoy++) refused.remember(`${envoy}`, 'a', '1');
    expect([refused.size, refused.of('0'), refused.of('1999')?.size]).toEqual([1_024, undefined, 1]);
  });
});
