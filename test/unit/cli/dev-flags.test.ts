import { expect, test } from 'vitest';
import { type DevDomainFlags, devDomain } from '../../../src/cli/dev-flags.ts';

const FLAGS: DevDomainFlags = { trustDomain: 'example.org', svidTtl: '1h', caTtl: '24h' };

test('without flags there are two identities', () => {
  expect(devDomain(FLAGS)).toEqual({
    trustDomain: 'example.org',
    identities: [{ path: '/backend' }, { path: '/frontend' }],
    dnsNames: [],
    federated: [],
    svidTtlMs: 3_600_000,
    caTtlMs: 86_400_000,
  });
});

test('identities have hints, and what stands after the first = is no part of them', () => {
  expect(devDomain({ ...FLAGS, id: ['/web', '/api=internal'], federate: ['spiffe://partner.test'] })).toMatchObject({
    identities: [{ path: '/web' }, { path: '/api', hint: 'internal' }],
    federated: ['partner.test'],
  });
});

test.each([
  [{ trustDomain: 'BAD DOMAIN' }, /^--trust-domain: .*"BAD DOMAIN"/],
  [{ id: ['foo'] }, /^--id: .*"foo".*must begin with "\/"/],
  [{ id: ['/'] }, /^--id: /],
  [{ dns: ['web', '-web'] }, /^--dns: "-web" is no DNS name/],
  [{ dns: ['w'.repeat(65)] }, /^--dns: .*64 characters/],
  [{ svidTtl: 'soon' }, /^--svid-ttl: .*"soon".*5s/],
  [{ svidTtl: '0s' }, /^--svid-ttl: .*"0s".*from 2s/],
  [{ caTtl: '1ms' }, /^--ca-ttl: .*"1ms"/],
  [{ caTtl: '99999999d' }, /^--ca-ttl: .*to 36500d/],
  [{ svidTtl: '2d' }, /^--svid-ttl: 2d is longer than the CA lives \(--ca-ttl 24h\)/],
  [{ federate: ['Partner'] }, /^--federate: .*"Partner"/],
  [{ federate: ['partner.test', 'example.org'] }, /^--federate: example\.org is the trust domain of this CA/],
])('%j is wrong usage, and the flag is named', (flags, message) => {
  expect(() => devDomain({ ...FLAGS, ...flags })).toThrow(
    expect.objectContaining({ code: 'usage', message: expect.stringMatching(message) }),
  );
});
