import { describe, expect, test } from 'vitest';
import { EMPTY_CONTEXT } from '../../../src/spiffe/x509-context.ts';
import { contextOf, OWN, own, PARTNER, partner, WEB, web } from '../../support/secrets/federation.ts';
import { NAMING, policy } from '../../support/secrets/naming.ts';
import { Publishing, serving } from '../../support/secrets/publishing.ts';
import { revocationsOf, trustOf } from '../../support/secrets/secret-content.ts';
import { svidMessage } from '../../support/workload-api/workload-messages.ts';
import { HOUR, issueAuthority, issueCrl, issueLeaf, NOW } from '../../support/x509/certificates.ts';

const MINUTE = 60_000;
/** Of `web`, which lives from an hour before NOW to an hour after. */
const ALARM = HOUR / 2;

describe('a publisher', () => {
  test('publishes nothing before the Workload API has said anything, whatever is configured', () => {
    const publishing = new Publishing();
    publishing.publisher.configure(NAMING);
    expect(publishing.published).toEqual([]);
  });

  test('publishes what the Workload API says', () => {
    expect(serving().set.ids).toEqual([WEB, OWN, PARTNER]);
  });

  test('says that bundles go first when a new authority has signed the SVID', async () => {
    const successor = await issueAuthority({ name: 'successor' });
    const rolled = svidMessage(WEB, [await issueLeaf(successor, WEB)], [own, successor]);
    const publishing = serving();
    publishing.publisher.adopt(contextOf([rolled]));
    expect(publishing.published.map(({ bundleFirst }) => bundleFirst)).toEqual([false, true]);
  });

  test('publishes nothing after it was stopped, and waits for nothing', () => {
    const publishing = serving();
    publishing.publisher.stop();
    publishing.clock.advance(2 * HOUR);
    expect([publishing.published.length, publishing.told]).toEqual([1, []]);
  });
});

describe('what is not trusted any more', () => {
  test('is told once for each trust domain, and again when it was trusted in between', () => {
    const publishing = serving();
    for (const context of [EMPTY_CONTEXT, EMPTY_CONTEXT, contextOf([web]), EMPTY_CONTEXT]) publishing.publisher.adopt(context);
    expect(publishing.events.filter(({ type }) => type === 'trust_domain_distrusted')).toEqual(
      ['example.org', 'partner.test', 'example.org'].map((trustDomain) => ({ type: 'trust_domain_distrusted', trustDomain })),
    );
  });

  test('is replaced at once by a CA that trusts nobody', () => {
    const publishing = serving();
    publishing.publisher.adopt(EMPTY_CONTEXT);
    expect(publishing.serves(PARTNER)).toBe(true);
  });

  test('is replaced by the same CA for as long as this runs: the version says that nothing changed', () => {
    const publishing = serving();
    publishing.publisher.adopt(EMPTY_CONTEXT);
    const before = publishing.set.get(PARTNER, 'spiffe')?.version;
    publishing.publisher.adopt(contextOf([web]));
    expect(publishing.set.get(PARTNER, 'spiffe')?.version).toBe(before);
  });
});

describe('an SVID that is not rotated', () => {
  test('is told at three quarters of its life, not before', () => {
    const publishing = serving();
    publishing.clock.advance(ALARM - 1);
    const before = publishing.told;
    publishing.clock.advance(1);
    expect([before, publishing.told]).toEqual([[], [`svid_expiring ${WEB}`]]);
  });

  test('is told once, with its serial and its end', () => {
    const publishing = serving();
    publishing.clock.advance(HOUR - 1);
    publishing.publisher.configure(NAMING);
    publishing.publisher.adopt(contextOf([web]));
    expect(publishing.events.filter(({ type }) => type === 'svid_expiring')).toEqual([
      { type: 'svid_expiring', id: WEB, serial: expect.stringMatching(/^[0-9A-F]+$/), notAfter: NOW + HOUR },
    ]);
  });

  test('is told once also when it comes twice, with two hints', () => {
    const publishing = new Publishing();
    publishing.publisher.adopt(contextOf([web, { ...web, hint: 'internal' }]));
    publishing.clock.advance(ALARM);
    expect(publishing.told).toEqual([`svid_expiring ${WEB}`]);
  });

  test('is served until its end, and from then on to nobody who asks anew', () => {
    const publishing = serving();
    publishing.clock.advance(HOUR - 1);
    const before = publishing.serves(WEB);
    publishing.clock.advance(1);
    expect([before, publishing.serves(WEB), publishing.serves('default'), publishing.serves(OWN)]).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });

  test('is told at its end, once', () => {
    const publishing = serving();
    publishing.clock.advance(3 * HOUR);
    expect(publishing.told).toEqual([`svid_expiring ${WEB}`, `svid_expired ${WEB}`]);
  });

  test('is forgotten as an alarm when it is rotated', async () => {
    const publishing = serving();
    publishing.clock.advance(ALARM);
    const renewed = svidMessage(WEB, [await issueLeaf(own, WEB, { notBefore: NOW, notAfter: NOW + 4 * HOUR })], [own]);
    publishing.publisher.adopt(contextOf([renewed]));
    publishing.clock.advance(HOUR);
    expect([publishing.told.filter((line) => line !== 'trust_domain_distrusted'), publishing.serves(WEB)]).toEqual([
      [`svid_expiring ${WEB}`, `svid_rotated ${WEB}`],
      true,
    ]);
  });
});

describe('after the machine was suspended', () => {
  test('it is noticed within 30 seconds that an SVID has expired meanwhile', () => {
    const publishing = serving();
    publishing.clock.suspend(24 * HOUR);
    publishing.clock.advance(30_000);
    expect([publishing.serves(WEB), publishing.told]).toEqual([false, [`svid_expired ${WEB}`]]);
  });

  test('it is noticed at once when there is any other news', () => {
    const publishing = serving();
    publishing.clock.suspend(24 * HOUR);
    publishing.publisher.configure(NAMING);
    expect(publishing.serves(WEB)).toBe(false);
  });

  test('an SVID that should have been rotated meanwhile is told', () => {
    const publishing = serving();
    publishing.clock.suspend(ALARM);
    publishing.clock.advance(30_000);
    expect([publishing.serves(WEB), publishing.told]).toEqual([true, [`svid_expiring ${WEB}`]]);
  });

  test('a CRL that has expired meanwhile is taken out', async () => {
    const publishing = serving({}, [await issueCrl(partner, { nextUpdate: NOW + MINUTE })]);
    publishing.clock.suspend(MINUTE);
    publishing.clock.advance(30_000);
    expect([revocationsOf(publishing.set.get(PARTNER, 'spiffe')), publishing.told]).toEqual([[], ['crl_left_out']]);
  });

  test('nothing is published when nothing has changed', () => {
    const publishing = serving();
    publishing.clock.suspend(10 * MINUTE);
    publishing.clock.advance(10 * MINUTE);
    expect(publishing.published).toHaveLength(1);
  });
});

describe('a CRL', () => {
  test('that expires while it is served is taken out to the millisecond, and told', async () => {
    const publishing = serving({}, [await issueCrl(partner, { nextUpdate: NOW + MINUTE })]);
    const served = () => revocationsOf(publishing.set.get(PARTNER, 'spiffe')).length;
    publishing.clock.advance(MINUTE - 1);
    const before = [served(), publishing.told.length];
    publishing.clock.advance(1);
    expect([before, served(), publishing.events.filter(({ type }) => type !== 'svid_received')]).toEqual([
      [1, 0],
      0,
      [{ type: 'crl_left_out', trustDomain: 'partner.test', reason: expect.stringContaining('none that is current') }],
    ]);
  });

  test('whose time begins later goes out then', async () => {
    const publishing = serving({}, [await issueCrl(partner, { thisUpdate: NOW + MINUTE })]);
    const served = () => revocationsOf(publishing.set.get(PARTNER, 'spiffe')).length;
    const before = served();
    publishing.clock.advance(MINUTE);
    expect([before, served()]).toEqual([0, 1]);
  });

  test('that cannot be used is told once, not with each message', async () => {
    const crl = await issueCrl(partner, { nextUpdate: NOW - 1000 });
    const publishing = serving({}, [crl]);
    publishing.publisher.adopt(contextOf([web], { [PARTNER]: partner.der }, [crl]));
    expect(publishing.told).toEqual(['crl_left_out']);
  });

  test('that is forged is told without the name of a trust domain', async () => {
    const publishing = serving({}, [await issueCrl(await issueAuthority({ name: 'partner' }))]);
    expect(publishing.events.filter(({ type }) => type !== 'svid_received')).toEqual([
      { type: 'crl_left_out', reason: expect.stringContaining('"CN=partner"') },
    ]);
  });

  test('is neither served nor told when the operator wants none', async () => {
    const publishing = serving({ crl: false }, [await issueCrl(partner, { nextUpdate: NOW + MINUTE })]);
    publishing.clock.advance(2 * MINUTE);
    expect([revocationsOf(publishing.set.get(PARTNER, 'spiffe')), publishing.told]).toEqual([[], []]);
  });
});

describe('another configuration', () => {
  test('is in force at once', () => {
    const publishing = serving();
    publishing.publisher.configure({ ...NAMING, default_svid: 'mine' });
    expect([publishing.serves('default'), publishing.serves('mine')]).toEqual([false, true]);
  });

  test('gives no other version to what it does not change', () => {
    const publishing = serving();
    const versions = () => [WEB, OWN, PARTNER, 'default', 'ALL'].map((name) => publishing.set.get(name, 'spiffe')?.version);
    const before = versions();
    publishing.publisher.configure({
      ...NAMING,
      default_bundle: '',
      secrets: [policy('x', ['partner.test'])],
      prefixes: ['sds://'],
    });
    expect(versions()).toEqual(before);
  });

  test('keeps in mind what is distrusted', () => {
    const publishing = serving();
    publishing.publisher.adopt(EMPTY_CONTEXT);
    const before = trustOf(publishing.set.get(PARTNER, 'spiffe'));
    publishing.publisher.configure({ ...NAMING, secrets: [policy('x', ['partner.test'])] });
    expect([PARTNER, 'x'].map((name) => trustOf(publishing.set.get(name, 'spiffe')))).toEqual([before, before]);
  });

  test('that wants CRLs brings them', async () => {
    const publishing = serving({ crl: false }, [await issueCrl(partner)]);
    publishing.publisher.configure(NAMING);
    expect(revocationsOf(publishing.set.get(PARTNER, 'spiffe'))).toHaveLength(1);
  });
});
