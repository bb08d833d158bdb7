/** What a Workload API may say in property tests, well or badly made. Of b.test assume that an attacker writes its bundle. */
import type { X509SVID } from '../../../src/gen/messages.ts';
import { CertificateReader } from '../../../src/spiffe/certificate-reader.ts';
import { sha256 } from '../secrets/secret-content.ts';
import { concatenated, HOUR, type Issued, issueAuthority, issueCrl, issueLeaf, NOW } from '../x509/certificates.ts';
import { svidMessage } from './workload-messages.ts';

export const reader = new CertificateReader();
const END = { notAfter: NOW + 1000 * HOUR };
const [a1, a2, b1, b2, c1] = (await Promise.all(
  ['a1', 'a2', 'b1', 'b2', 'c1'].map((name) => issueAuthority({ name, ...END })),
)) as [Issued, Issued, Issued, Issued, Issued];

/** An SVID and its end. */
export interface Served {
  readonly message: X509SVID;
  readonly notAfter: number;
}

async function serve(id: string, authority: Issued, bundle: readonly Issued[], notAfter: number): Promise<Served> {
  return { message: svidMessage(id, [await issueLeaf(authority, id, { notAfter })], bundle), notAfter };
}

export const SVIDS = await Promise.all([
  serve('spiffe://a.test/x', a1, [a1], NOW + 2 * HOUR),
  serve('spiffe://a.test/y', a1, [a1, a2], NOW + 20 * HOUR),
  serve('spiffe://a.test/y', a2, [a2], NOW + 30 * HOUR),
  serve('spiffe://c.test/z', c1, [c1], NOW + 40 * HOUR),
]);

/** A CRL, and whose it is. */
export interface Revoking {
  readonly der: Buffer;
  /** Absent: nobody may send it. */
  readonly by?: Issued;
  readonly from?: number;
  readonly until?: number;
}

const LONG = { nextUpdate: NOW + 900 * HOUR };

export const CRLS: readonly Revoking[] = [
  { der: await issueCrl(a1, { nextUpdate: NOW + 3 * HOUR }), by: a1, until: NOW + 3 * HOUR },
  { der: await issueCrl(a2, LONG), by: a2 },
  { der: await issueCrl(b1, { thisUpdate: NOW + HOUR, ...LONG }), by: b1, from: NOW + HOUR },
  { der: await issueCrl(b2, LONG), by: b2 },
  { der: await issueCrl(a1, { nextUpdate: NOW - 1 }) },
  { der: await issueCrl(b1, { issuer: a1, ...LONG }) },
  { der: await issueCrl(await issueAuthority({ name: 'a1' }), LONG) },
  { der: Buffer.from('garbage') },
];

/** As a Workload API may send it, and who is trusted when it does; nobody when it is broken. */
export interface Said {
  readonly bytes: Uint8Array;
  readonly authorities?: readonly string[];
}

const said = (...authorities: readonly Issued[]): Said => ({
  bytes: concatenated(authorities),
  authorities: authorities.map(({ der }) => sha256(der)).sort(),
});
/** With a stray leaf, which is left out. */
const STRAY: Said = { ...said(b1), bytes: Buffer.concat([b1.der, SVIDS[0]?.message.x509_svid ?? Buffer.alloc(0)]) };
const BROKEN: readonly Said[] = [
  STRAY,
  { bytes: Buffer.alloc(0) },
  { bytes: Buffer.from('garbage') },
  { bytes: b1.der.subarray(0, -1) },
];
export const BUNDLES: Readonly<Record<string, readonly Said[]>> = {
  'a.test': [said(a1), said(a2), said(a1, a2), ...BROKEN],
  'b.test': [said(b1), said(b2), said(b1, b2), said(b1, a1), said(a1), ...BROKEN],
  'c.test': [said(c1), ...BROKEN],
};

/** What spoils an SVID. */
export const SPOILED: readonly Partial<X509SVID>[] = [{ x509_svid_key: Buffer.alloc(0) }, { bundle: b1.der }, { spiffe_id: 'x' }];

/** Of every authority that upstream has: what is none of them trusts nobody. */
export const AUTHORITIES: ReadonlySet<string> = new Set([a1, a2, b1, b2, c1].map(({ der }) => sha256(der)));
