import { describe, expect, test } from 'vitest';
import { freshnessOf, nextChangeOf } from '../../../src/secrets/expiry.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { standingOf } from '../../../src/spiffe/standing.ts';
import type { X509Svid } from '../../../src/spiffe/x509-context.ts';
import { readContext } from '../../../src/workload-api/context.ts';
import { responseWith, svidMessage } from '../../support/workload-api/workload-messages.ts';
import { HOUR, type Issued, issueAuthority, issueLeaf, NOW } from '../../support/x509/certificates.ts';

const WEB = 'spiffe://example.org/web';
const reader = new CertificateReader();
const root = await issueAuthority({ notAfter: NOW + 9 * HOUR });
const life = { notBefore: NOW - HOUR, notAfter: NOW + 3 * HOUR };

function read(chain: readonly [Issued, ...Issued[]]): X509Svid {
  return readContext(responseWith([svidMessage(WEB, chain, [root])]), reader).context.svids[0] as X509Svid;
}

/** Lives four hours, of which one is over. */
const svid = read([await issueLeaf(root, WEB, life)]);
const ALARM = NOW + 2 * HOUR;
const END = NOW + 3 * HOUR;
const ROOT_END = NOW + 9 * HOUR;

describe('an SVID', () => {
  test.for([
    ['fresh', 'before three quarters of its life', ALARM - 1],
    ['expiring', 'from three quarters of its life on', ALARM],
    ['expiring', 'until its last millisecond', END - 1],
    ['expired', 'from its end on', END],
  ] as const)('is %s %s', ([freshness, _when, now]) => {
    expect(freshnessOf(standingOf(svid, now), now)).toBe(freshness);
  });

  test.for([
    ['its alarm', 'fresh', NOW, ALARM],
    ['its end', 'expiring', ALARM, END],
    ['the end of the bundle that it came with', 'expired', END, ROOT_END],
    ['nothing', 'expired', ROOT_END, Number.POSITIVE_INFINITY],
  ] as const)('has %s before it when it is %s', ([_what, _freshness, now, next]) => {
    expect(nextChangeOf(svid, standingOf(svid, now), now)).toBe(next);
  });

  test('is expired when the intermediate that its path needs is over', async () => {
    const intermediate = await issueAuthority({ name: 'intermediate', issuer: root, notAfter: NOW + HOUR });
    const short = read([await issueLeaf(intermediate, WEB, life), intermediate]);
    expect([NOW + HOUR - 1, NOW + HOUR].map((now) => freshnessOf(standingOf(short, now), now))).toEqual(['expiring', 'expired']);
  });
});
