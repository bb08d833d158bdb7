/** Which certificate of an identity is served, and what is told of it. */
import { describe, expect, test } from 'vitest';
import { API, api, contextOf, fingerprintOf, own, PARTNER, partner, WEB, web } from '../../support/secrets/federation.ts';
import { Publishing, serving } from '../../support/secrets/publishing.ts';
import { trustOf } from '../../support/secrets/secret-content.ts';
import { svidMessage } from '../../support/workload-api/workload-messages.ts';
import { concatenated, HOUR, issueAuthority, issueLeaf, NOW, type Wish } from '../../support/x509/certificates.ts';

const MINUTE = 60_000;
const AWAY = 10 * MINUTE;
const late = await renewedWeb({ serial: '1a7e', notBefore: NOW + AWAY, notAfter: NOW + 4 * HOUR });
const expired = await renewedWeb({ notBefore: NOW - 3 * HOUR, notAfter: NOW - HOUR });

/** Another certificate for the identity of `web`. */
async function renewedWeb(wish: Wish) {
  return svidMessage(WEB, [await issueLeaf(own, WEB, wish)], [own]);
}

function authoritiesOf(secret: Parameters<typeof trustOf>[0]): readonly string[] {
  const trust = trustOf(secret);
  return trust.by === 'spiffe' ? trust.trustDomains.flatMap(([, authorities]) => authorities) : [];
}

describe('an SVID', () => {
  test('is received once, under its first certificate', async () => {
    const publishing = new Publishing();
    publishing.publisher.adopt(contextOf([web, await renewedWeb({})]));
    expect(publishing.events).toEqual([
      { type: 'svid_received', id: WEB, hint: '', serial: publishing.serial(WEB), notAfter: NOW + HOUR },
    ]);
  });

  test('is rotated with another certificate, also one with the same serial', async () => {
    const publishing = new Publishing();
    for (const _certificate of ['first', 'second']) publishing.publisher.adopt(contextOf([await renewedWeb({ serial: '0a' })]));
    expect(publishing.told).toEqual([`svid_rotated ${WEB}`]);
  });

  test('is neither rotated nor withdrawn when only its place changes', () => {
    const publishing = new Publishing();
    for (const svids of [
      [web, api],
      [api, web],
    ])
      publishing.publisher.adopt(contextOf(svids));
    expect(publishing.told).toEqual([]);
  });

  test('that is missing is withdrawn, for the reason given', () => {
    const publishing = serving();
    publishing.publisher.adopt(contextOf([api]), 'because');
    expect(publishing.events).toContainEqual({ type: 'svid_withdrawn', id: WEB, reason: 'because' });
  });

  test('with a key that Envoy is picky about comes with a warning', async () => {
    const publishing = new Publishing();
    publishing.publisher.adopt(contextOf([await renewedWeb({ key: 'P-384' })]));
    expect(publishing.events).toEqual([expect.objectContaining({ warning: expect.stringContaining('P-384') })]);
  });

  test('whose intermediate was renewed goes out again, and its new end is told', async () => {
    const intermediate = await issueAuthority({ name: 'intermediate', issuer: own, notAfter: NOW + MINUTE });
    const renewed = await issueAuthority({ name: 'intermediate', issuer: own, keys: intermediate.keys });
    const leaf = await issueLeaf(intermediate, WEB);
    const publishing = new Publishing();
    publishing.publisher.adopt(contextOf([svidMessage(WEB, [leaf, intermediate], [own])]));
    const before = publishing.set.get(WEB, 'spiffe')?.version;
    publishing.publisher.adopt(contextOf([svidMessage(WEB, [leaf, renewed], [own])]));
    expect(publishing.events.at(-1)).toMatchObject({ type: 'svid_chain_changed', id: WEB, notAfter: NOW + HOUR });
    expect(publishing.set.get(WEB, 'spiffe')?.version).not.toBe(before);
  });
});

describe('an SVID whose time has not come', () => {
  test('waits while the one before it is served, and then takes its place', () => {
    const publishing = serving();
    const before = publishing.serial(WEB);
    publishing.publisher.adopt(contextOf([late]));
    const meanwhile = publishing.serial(WEB);
    publishing.clock.advance(AWAY);
    expect([meanwhile, publishing.serial(WEB)]).toEqual([before, '1A7E']);
  });

  test('is told with its offset, and is rotated when it is served', () => {
    const publishing = serving();
    publishing.publisher.adopt(contextOf([late]));
    publishing.clock.advance(AWAY);
    expect(publishing.events.filter(({ type }) => type.startsWith('svid_')).slice(1)).toEqual([
      { type: 'svid_not_yet_valid', id: WEB, serial: '1A7E', from: NOW + AWAY, inMs: AWAY, meanwhile: 'the one before' },
      expect.objectContaining({ type: 'svid_rotated', serial: '1A7E', notAfter: NOW + 4 * HOUR }),
    ]);
  });

  test('is served at once when there is no other and it begins within a minute', async () => {
    const publishing = new Publishing();
    publishing.publisher.adopt(contextOf([await renewedWeb({ notBefore: NOW + MINUTE })]));
    expect([publishing.serves(WEB), publishing.events.at(-1)]).toEqual([
      true,
      expect.objectContaining({ type: 'svid_not_yet_valid', meanwhile: 'itself' }),
    ]);
  });

  test('is held when there is no other and it begins later, but not longer', () => {
    const publishing = new Publishing();
    publishing.publisher.adopt(contextOf([late]));
    publishing.clock.advance(AWAY - 1);
    const before = publishing.serves(WEB);
    publishing.clock.advance(1);
    expect([before, publishing.serves(WEB), publishing.events.map(({ type }) => type)]).toEqual([
      false,
      true,
      ['svid_not_yet_valid', 'svid_received'],
    ]);
  });

  test('does not keep its neighbours from being served', () => {
    const publishing = new Publishing();
    publishing.publisher.adopt(contextOf([late, api]));
    expect([publishing.serves(WEB), publishing.serves(API)]).toEqual([false, true]);
  });

  test('is served in the place of nobody else: the default stays held', () => {
    const publishing = new Publishing();
    publishing.publisher.adopt(contextOf([late, api]));
    expect(publishing.serves('default')).toBe(false);
  });
});

describe('an SVID that has expired when it comes', () => {
  test('does not take the place of the one before it, nor its neighbours with it', () => {
    const publishing = new Publishing();
    publishing.publisher.adopt(contextOf([web]));
    const before = publishing.serial(WEB);
    publishing.publisher.adopt(contextOf([expired, api]));
    expect([publishing.serial(WEB), publishing.serves(API), publishing.told]).toEqual([before, true, [`svid_expired ${WEB}`]]);
  });

  test('is served to nobody when there was none before', () => {
    const publishing = new Publishing();
    publishing.publisher.adopt(contextOf([expired, api]));
    expect([publishing.serves(WEB), publishing.serves(API)]).toEqual([false, true]);
  });

  test('is forgotten when the Workload API does not list it any more', () => {
    const publishing = serving();
    publishing.publisher.adopt(contextOf([expired]));
    publishing.publisher.adopt(contextOf([api]));
    expect(publishing.serves(WEB)).toBe(false);
  });
});

describe('an authority that was renewed with the same name and key', () => {
  test('is sent when its time has come, and the old one no more when it is over', async () => {
    const old = await issueAuthority({ name: 'partner', keys: partner.keys, notAfter: NOW + 2 * MINUTE });
    const next = await issueAuthority({ name: 'partner', keys: partner.keys, notBefore: NOW + MINUTE });
    const publishing = new Publishing();
    publishing.publisher.adopt(contextOf([web], { [PARTNER]: concatenated([old, next]) }));
    const sent = () => authoritiesOf(publishing.set.get(PARTNER, 'spiffe'));
    const atFirst = sent();
    publishing.clock.advance(MINUTE);
    const both = sent();
    publishing.clock.advance(MINUTE);
    expect([atFirst, both.toSorted(), sent()]).toEqual([
      [fingerprintOf(old)],
      [fingerprintOf(old), fingerprintOf(next)].toSorted(),
      [fingerprintOf(next)],
    ]);
  });
});

describe('when the clock is put right', () => {
  test.for([
    ['two hours forward and back', 2 * HOUR],
    ['a day back and forward', -24 * HOUR],
  ] as const)('by %s, what it decided is decided again within a second', ([_what, jump]) => {
    const publishing = serving();
    publishing.clock.suspend(jump);
    publishing.clock.advance(1_000);
    const meanwhile = publishing.serves(WEB);
    publishing.clock.suspend(-jump);
    publishing.clock.advance(1_000);
    expect([meanwhile, publishing.serves(WEB), publishing.told.at(-1)]).toEqual([false, true, `svid_valid ${WEB}`]);
  });

  test('what came when it was wrong is not lost', async () => {
    const publishing = serving();
    publishing.clock.suspend(-24 * HOUR);
    publishing.publisher.adopt(contextOf([await renewedWeb({ serial: '4e3' })]));
    publishing.clock.suspend(24 * HOUR);
    publishing.clock.advance(1_000);
    expect(publishing.serial(WEB)).toBe('04E3');
  });

  test('by less than a second, nothing is published', () => {
    const publishing = serving();
    publishing.clock.suspend(900);
    publishing.clock.advance(MINUTE);
    expect(publishing.published).toHaveLength(1);
  });
});
