import { describe, expect, test } from 'vitest';
import { expiryOf, freshnessOf, nextChangeOf } from '../../src/secrets/expiry.ts';
import { CertificateReader } from '../../src/spiffe/certificate.ts';
import type { X509Svid } from '../../src/spiffe/x509-context.ts';
import { readContext } from '../../src/workload-api/context.ts';
import { HOUR, type Issued, issueAuthority, issueLeaf, NOW } from '../support/certificates.ts';
import { responseWith, svidMessage } from '../support/workload-messages.ts';

const WEB = 'spiffe://example.org/web';
const reader = new CertificateReader();
const root = await issueAuthority({ notAfter: NOW + 9 * HOUR });
const life = { notBefore: NOW - HOUR, notAfter: NOW + 3 * HOUR };

function read(chain: readonly [Issued, ...Issued[]]): X509Svid {
  return readContext(responseWith([svidMessage(WEB, chain, [root])]), reader, NOW).context.svids[0] as X509Svid;
}

/** Lives four hours, of which one is over. */
const svid = read([await issueLeaf(root, WEB, life)]);
const ALARM = NOW + 2 * HOUR;
const END = NOW + 3 * HOUR;

describe('an SVID', () => {
  test.for([
    ['fresh', 'before three quarters of its life', ALARM - 1],
    ['expiring', 'from three quarters of its life on', ALARM],
    ['expiring', 'until its last millisecond', END - 1],
    ['expired', 'from its end on', END],
  ] as const)('is %s %s', ([freshness, _when, now]) => {
    expect(freshnessOf(svid, now)).toBe(freshness);
  });

  test.for([
    ['its alarm', 'fresh', NOW, ALARM],
    ['its end', 'expiring', ALARM, END],
    ['nothing', 'expired', END, Number.POSITIVE_INFINITY],
  ] as const)('has %s before it when it is %s', ([_what, _freshness, now, next]) => {
    expect(nextChangeOf(svid, now)).toBe(next);
  });

  test('is over when the intermediate in its chain is over', async () => {
    const intermediate = await issueAuthority({ name: 'intermediate', issuer: root, notAfter: NOW + HOUR });
    expect(expiryOf(read([await issueLeaf(intermediate, WEB, life), intermediate]))).toBe(NOW + HOUR);
  });
});
