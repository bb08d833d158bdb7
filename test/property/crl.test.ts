/** Our reader of CRLs beside another one. */
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { expect, test } from 'vitest';
import { CertificateReader } from '../../src/spiffe/certificate-reader.ts';
import { fc, runs } from '../support/properties.ts';
import { issueAuthority } from '../support/x509/certificates.ts';

const authority = await issueAuthority();
const reader = new CertificateReader();
const [signer] = reader.readAll(authority.der).certificates;
const other = new CertificateReader().readAll((await issueAuthority()).der).certificates[0];

/** To the second: some are UTCTime, some GeneralizedTime. */
const date = fc.date({ min: new Date('1960-01-01'), max: new Date('2199-12-31'), noInvalidDate: true }).map((day) => {
  day.setUTCMilliseconds(0);
  return day;
});
const reason = fc.constantFrom(undefined, ...[0, 1, 2, 3, 4, 5, 6, 9, 10].map((code) => code as x509.X509CrlReason));
const entry = fc.record({
  serialNumber: fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => `01${Buffer.from(bytes).toString('hex')}`),
  revocationDate: date,
  reason,
  invalidity: fc.option(date, { nil: undefined }),
});

test('both readers agree on CRLs of up to 300 entries', async () => {
  const list = fc.record({
    entries: fc.uniqueArray(entry, { maxLength: 300, size: 'max', selector: ({ serialNumber }) => serialNumber }),
    thisUpdate: date,
    nextUpdate: date,
  });
  await fc.assert(
    fc.asyncProperty(list, async ({ entries, thisUpdate, nextUpdate }) => {
      const made = await x509.X509CrlGenerator.create({
        issuer: authority.certificate.subject,
        thisUpdate,
        nextUpdate,
        entries: entries.map(({ reason, invalidity, ...rest }) => ({
          ...rest,
          // With neither it writes an empty list of extensions, which is refused.
          ...(invalidity === undefined && { reason: reason || x509.X509CrlReason.superseded }),
          ...(invalidity !== undefined && reason !== undefined && { reason }),
          ...(invalidity !== undefined && { invalidity }),
        })),
        signingKey: authority.keys.privateKey,
        signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      });
      const theirs = new x509.X509Crl(made.rawData);
      const ours = reader.crls.read(new Uint8Array(made.rawData));
      expect([ours.thisUpdate, ours.nextUpdate]).toEqual([theirs.thisUpdate.getTime(), theirs.nextUpdate?.getTime()]);
      expect([signer && ours.isSignedBy(signer), other && ours.isSignedBy(other)]).toEqual([true, false]);
      expect(ours.issuer).toBe(theirs.issuer);
      reader.crls.keep([]);
    }),
    runs(8),
  );
}, 60_000);

test('whatever bytes it gets, it says what is wrong', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.uint8Array({ maxLength: 100 }).map((rest) => Uint8Array.of(0x30, rest.length, ...rest)),
  );
  fc.assert(
    fc.property(bytes, (garbage) => {
      expect(() => new CertificateReader().readCrl(garbage)).toThrow(expect.objectContaining({ code: 'certificate_invalid' }));
    }),
  );
});
